/** State shared by all calls of one gRPC server: what was injected, and in which phase of its life the server is. */
import { InFlightLimiter } from '../../core/admission/in-flight.ts';
import { toHotpathError } from '../../core/errors.ts';
import { isFailure } from '../http-errors.ts';
import { MessagePool } from '../message-pool.ts';
import { RequestAccounts } from '../request-accounts.ts';
import type { DecodeLimits } from './compression.ts';
import type { GrpcDeps } from './deps.ts';
import { ReceiveBudget } from './receive-budget.ts';
import { ReceiveWatch } from './receive-watch.ts';

export class GrpcContext {
  readonly deps: GrpcDeps;
  readonly inFlight: InFlightLimiter;
  readonly receiving: ReceiveWatch;
  readonly receiveBudget: ReceiveBudget;
  readonly messagePool = new MessagePool();
  readonly accounts: RequestAccounts;
  readonly decodeLimits: DecodeLimits;
  /** The server stops: predictions are refused, open-ended streams end. */
  closing = false;
  readonly #endings = new Set<() => void>();

  constructor(deps: GrpcDeps) {
    this.deps = deps;
    this.accounts = new RequestAccounts(deps);
    const { config, clock } = deps;
    this.inFlight = deps.inFlight ?? new InFlightLimiter(config);
    this.receiving = new ReceiveWatch(config.requestTimeoutMs, clock);
    this.receiveBudget = new ReceiveBudget(config.grpcMaxReceiveBytes);
    this.decodeLimits = { maxBytes: config.grpcMaxMessageBytes, maxRatio: config.maxDecompressionRatio };
  }

  /** Streams without an end of their own are told when the server stops. Returns what forgets it. */
  onClosing(end: () => void): () => void {
    this.#endings.add(end);
    return () => this.#endings.delete(end);
  }

  startClosing(): void {
    if (this.closing) return;
    this.closing = true;
    for (const end of [...this.#endings]) end();
  }

  /** Failures of ours get a log line; refusals do not, there would be thousands a second. */
  logFailure(path: string, thrown: unknown): void {
    const error = toHotpathError(thrown);
    if (!isFailure(error.code)) return;
    this.deps.logger.error(
      { err: error.cause ?? error, path: path.slice(0, 200), code: error.code },
      'gRPC call failed',
    );
  }
}
