/**
 * One timer for many moments: it only ever stands on the earliest moment asked for. Arming for a later moment is free,
 * so that a request per 20 microseconds costs one real timer per deadline window instead of one each.
 */
import type { Clock, TimerHandle } from '../../ports/clock.ts';

export class LazyTimer {
  readonly #clock: Clock;
  readonly #fire: () => void;
  #timer: TimerHandle | undefined;
  #atMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, fire: () => void) {
    this.#clock = clock;
    this.#fire = fire;
  }

  /** Makes sure the timer fires at `atMs` at the latest. */
  armBy(atMs: number): void {
    if (atMs >= this.#atMs) return;
    this.stop();
    this.#atMs = atMs;
    this.#timer = this.#clock.after(atMs - this.#clock.now(), () => {
      this.#timer = undefined;
      this.#atMs = Number.POSITIVE_INFINITY;
      this.#fire();
    });
  }

  stop(): void {
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
    this.#timer = undefined;
    this.#atMs = Number.POSITIVE_INFINITY;
  }
}
