/** State shared by all routes of one REST server: what was injected, and in which phase of its life the server is. */

import { InFlightLimiter } from '../../core/admission/in-flight.ts';
import { MessagePool } from '../message-pool.ts';
import { RequestAccounts } from '../request-accounts.ts';
import type { BodyFormat } from './body-format.ts';
import type { RestDeps } from './deps.ts';
import type { SendContext } from './send.ts';
import type { BodyLimits } from './wire.ts';

export class RestContext implements SendContext {
  readonly deps: RestDeps;
  readonly inFlight: InFlightLimiter;
  readonly compressMinBytes: number;
  readonly requestTimeoutMs: number;
  readonly bodyPool = new MessagePool();
  readonly accounts: RequestAccounts;
  readonly #jsonLimits: BodyLimits;
  readonly #binaryLimits: BodyLimits;
  /** Answers tell clients to close their connections; requests are still served. */
  draining = false;
  /** The listener is closed: predict requests on kept-alive connections are refused. */
  closing = false;

  constructor(deps: RestDeps) {
    this.deps = deps;
    this.accounts = new RequestAccounts(deps);
    this.inFlight = deps.inFlight ?? new InFlightLimiter(deps.config);
    const { compressMinBytes, requestTimeoutMs, maxJsonBytes, maxBodyBytes, maxDecompressionRatio } = deps.config;
    this.compressMinBytes = compressMinBytes;
    this.requestTimeoutMs = requestTimeoutMs;
    const pool = this.bodyPool;
    this.#jsonLimits = { maxBytes: maxJsonBytes, maxRatio: maxDecompressionRatio, pool };
    this.#binaryLimits = { maxBytes: maxBodyBytes, maxRatio: maxDecompressionRatio, pool };
  }

  limitsOf(format: BodyFormat | undefined): BodyLimits {
    return format === 'json' ? this.#jsonLimits : this.#binaryLimits;
  }
}
