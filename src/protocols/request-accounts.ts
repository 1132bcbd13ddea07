/**
 * By what every inference request is counted and logged when it ends, whatever its protocol: REST and gRPC would else each have the
 * same lines. One per protocol face, held by its context.
 */
import type { ErrorCode } from '../core/errors.ts';
import type { InferResponse, ModelView } from '../core/types.ts';
import type { Logger } from '../ports/logger.ts';
import type { ModelTelemetry, Protocol, Telemetry } from '../ports/telemetry.ts';

export interface AccountsDeps {
  readonly telemetry: Telemetry;
  readonly logger: Logger;
  readonly config: { readonly slowRequestMs: number };
  /** Called once per finished prediction request; the recycler counts. */
  readonly onAnswered?: () => void;
}

/** What a slow request is found again by; asked only for those. */
export interface Traced {
  traceFields(): object;
}

export class RequestAccounts {
  readonly #deps: AccountsDeps;
  /** Bound once per model, so that counting costs no look-up of labels. */
  readonly #telemetry = new WeakMap<ModelView, ModelTelemetry>();

  constructor(deps: AccountsDeps) {
    this.#deps = deps;
  }

  /**
   * Of an answered request. `sinceMs` is the time since its message was whole. The last stage is all the time since the batch came
   * back: also that in which the answers of its other requests were written.
   */
  countStages({ model, timing }: InferResponse, parseMs: number, sinceMs: number): void {
    const { decodeMs, queueMs, batchMs, inferMs } = timing;
    const encodeMs = sinceMs - parseMs - decodeMs - queueMs - batchMs - inferMs;
    this.#telemetryOf(model).stages(timing, parseMs, encodeMs);
  }

  /** Of every request, once. `view` is undefined when it reached no model. */
  end(
    protocol: Protocol,
    code: 'OK' | ErrorCode,
    elapsedMs: number,
    view: ModelView | undefined,
    traced: Traced | undefined,
  ): void {
    const { telemetry, config, onAnswered } = this.#deps;
    if (view === undefined) telemetry.unroutedRequest(protocol, code === 'OK' ? 'INTERNAL' : code, elapsedMs);
    else this.#telemetryOf(view).request(protocol, code, elapsedMs);
    if (config.slowRequestMs > 0 && elapsedMs > config.slowRequestMs) this.#logSlow(code, elapsedMs, view, traced);
    onAnswered?.();
  }

  #logSlow(code: string, elapsedMs: number, view: ModelView | undefined, traced: Traced | undefined): void {
    const about = { model: view?.name, version: view?.version, code, elapsedMs: Math.round(elapsedMs) };
    this.#deps.logger.warn({ ...traced?.traceFields(), ...about }, 'slow request');
  }

  #telemetryOf(model: ModelView): ModelTelemetry {
    let telemetry = this.#telemetry.get(model);
    if (telemetry === undefined) {
      telemetry = this.#deps.telemetry.forModel(model.name, model.version);
      this.#telemetry.set(model, telemetry);
    }
    return telemetry;
  }
}
