/**
 * Records that wait for room in the writer's buffer, each with the answer it holds back. First come, first served, because the order
 * of arrival is the order of ids. Bounded by the requests in flight: whose time is up leaves.
 */
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import type { PendingPrediction } from './pending-prediction.ts';
import type { Recorded } from './prediction-recorder.ts';

interface Waiter {
  readonly record: PendingPrediction;
  readonly holdUntilMs: number;
  readonly timer: TimerHandle;
  readonly resolve: (recorded: Recorded) => void;
}

export class RoomQueue {
  readonly #clock: Clock;
  readonly #onExpired: () => void;
  /** A set keeps its order, and lets anybody leave from the middle. */
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock, onExpired: () => void) {
    this.#clock = clock;
    this.#onExpired = onExpired;
  }

  get size(): number {
    return this.#waiters.size;
  }

  /** Resolves with what `admit` is told for it, or undefined when there was no room until `holdUntilMs`. */
  wait(record: PendingPrediction, holdUntilMs: number): Promise<string | undefined> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(holdUntilMs - this.#clock.now(), () => {
        this.#waiters.delete(waiter);
        this.#onExpired();
        resolve(undefined);
      });
      const waiter = { record, holdUntilMs, timer, resolve };
      this.#waiters.add(waiter);
    });
  }

  /** Lets waiters in, the first first, while there is room. */
  admit(hasRoom: () => boolean, take: (record: PendingPrediction, holdUntilMs: number) => Recorded): void {
    for (const waiter of this.#waiters) {
      if (!hasRoom()) return;
      this.#waiters.delete(waiter);
      this.#clock.clear(waiter.timer);
      waiter.resolve(take(waiter.record, waiter.holdUntilMs));
    }
  }

  /** Sends everybody away. */
  clear(): void {
    for (const { timer, resolve } of this.#waiters) {
      this.#clock.clear(timer);
      resolve(undefined);
    }
    this.#waiters.clear();
  }
}
