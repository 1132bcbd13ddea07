/** Ends unary calls whose message does not arrive in time: one timer for all of them, running only while there are any. */
import { HotpathError } from '../../core/errors.ts';
import type { Clock, TimerHandle } from '../../ports/clock.ts';

export interface Receiving {
  readonly startMs: number;
  abort(error: unknown): void;
}

export class ReceiveWatch {
  readonly #limitMs: number;
  readonly #clock: Clock;
  /** In the order of their start. */
  readonly #calls = new Set<Receiving>();
  #timer: TimerHandle | undefined;

  /** A limit of 0 is no limit. */
  constructor(limitMs: number, clock: Clock) {
    this.#limitMs = limitMs;
    this.#clock = clock;
  }

  add(call: Receiving): void {
    if (this.#limitMs === 0) return;
    this.#calls.add(call);
    this.#timer ??= this.#clock.after(this.#limitMs, this.#sweep);
  }

  delete(call: Receiving): void {
    this.#calls.delete(call);
  }

  readonly #sweep = (): void => {
    this.#timer = undefined;
    const nowMs = this.#clock.now();
    for (const call of this.#calls) {
      const leftMs = call.startMs + this.#limitMs - nowMs;
      if (leftMs > 0) {
        this.#timer = this.#clock.after(leftMs, this.#sweep);
        return;
      }
      this.#calls.delete(call);
      call.abort(new HotpathError('DEADLINE_EXCEEDED', 'The message took too long to arrive.'));
    }
  };
}
