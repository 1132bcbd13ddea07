/**
 * The time a call has, and the caller's wish to stop it, as one AbortSignal for everything the call does: attempts and the waits
 * between them. Made per call by both clients; `finish` must run, or the caller's signal keeps a listener.
 */
import { HotpathClientError } from './client-error.ts';

export interface ClientClock {
  /** Milliseconds of a monotonic clock. */
  now(): number;
  /** Calls `run` after `delayMs`; returns the function that forgets it. */
  after(delayMs: number, run: () => void): () => void;
}

export const realClock: ClientClock = {
  now: () => performance.now(),
  after(delayMs, run) {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  },
};

const maxTimerMs = 2 ** 31 - 1;

export class Deadline {
  readonly #clock: ClientClock;
  readonly #controller = new AbortController();
  readonly #endsAtMs: number;
  readonly #outer: AbortSignal | undefined;
  #stopTimer: (() => void) | undefined;
  /** Set once the call must end. */
  #reason: HotpathClientError | undefined;

  /** `timeoutMs` undefined or infinite: as long as it takes. */
  constructor(clock: ClientClock, timeoutMs: number | undefined, outer: AbortSignal | undefined) {
    this.#clock = clock;
    this.#endsAtMs = timeoutMs === undefined ? Number.POSITIVE_INFINITY : clock.now() + timeoutMs;
    this.#outer = outer;
    // Timers cannot be longer: they would end at once.
    if (timeoutMs !== undefined && timeoutMs <= maxTimerMs) {
      const error = () => new HotpathClientError('DEADLINE_EXCEEDED', `No answer within ${timeoutMs} ms.`);
      this.#stopTimer = clock.after(timeoutMs, () => this.#end(error()));
    }
    if (outer?.aborted) this.#cancel();
    else outer?.addEventListener('abort', this.#cancel);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Infinity without a deadline. */
  remainingMs(): number {
    return this.#endsAtMs - this.#clock.now();
  }

  /** For headers and parameters; undefined without a deadline. */
  leftMs(): number | undefined {
    return this.#endsAtMs === Number.POSITIVE_INFINITY ? undefined : Math.max(0, this.remainingMs());
  }

  /** @throws DEADLINE_EXCEEDED, CANCELLED when the call must end. */
  check(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  /** @throws as `check`, as soon as the call must end. */
  async sleep(delayMs: number): Promise<void> {
    this.check();
    await new Promise<void>((resolve) => {
      const done = () => {
        forget();
        this.signal.removeEventListener('abort', done);
        resolve();
      };
      const forget = this.#clock.after(delayMs, done);
      this.signal.addEventListener('abort', done);
    });
    this.check();
  }

  finish(): void {
    this.#stopTimer?.();
    this.#outer?.removeEventListener('abort', this.#cancel);
  }

  readonly #cancel = (): void => {
    this.#end(new HotpathClientError('CANCELLED', 'The call was cancelled.', { cause: this.#outer?.reason }));
  };

  #end(reason: HotpathClientError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#controller.abort(reason);
  }
}
