/** State shared by all routes of one REST server: what was injected, and in which phase of its life the server is. */

import { InFlightLimiter } from '../../core/admission/in-flight.ts';
import type { ModelView } from '../../core/types.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import { MessagePool } from '../message-pool.ts';
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
  readonly #jsonLimits: BodyLimits;
  readonly #binaryLimits: BodyLimits;
  /** Answers tell clients to close their connections; requests are still served. */
  draining = false;
  /** The listener is closed: predict requests on kept-alive connections are refused. */
  closing = false;
  readonly #telemetry = new WeakMap<ModelView, ModelTelemetry>();

  constructor(deps: RestDeps) {
    this.deps = deps;
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

  telemetryOf(model: ModelView): ModelTelemetry {
    let telemetry = this.#telemetry.get(model);
    if (telemetry === undefined) {
      telemetry = this.deps.telemetry.forModel(model.name, model.version);
      this.#telemetry.set(model, telemetry);
    }
    return telemetry;
  }
}
