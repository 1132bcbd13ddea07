/** Calls that wait, in the order of their arrival, for a place at any address of a pool. Owned by upstream-pool.ts. */
import type { CancelToken } from '../../core/types.ts';
import type { Clock } from '../../ports/clock.ts';
import { cancelled, timedOut, type UpstreamFailure } from './upstream-failure.ts';

interface Waiter {
  settle(failure?: UpstreamFailure): void;
}

export class WaitLine {
  readonly #clock: Clock;
  readonly #waiters = new Set<Waiter>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get length(): number {
    return this.#waiters.size;
  }

  /** Resolves when it is this one's turn to look again. @throws UpstreamFailure when the time is up or the token cancelled. */
  wait(limitMs: number, cancel: CancelToken | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        settle: (failure) => {
          this.#waiters.delete(waiter);
          this.#clock.clear(timer);
          if (cancel !== undefined) cancel.onCancel = undefined;
          if (failure === undefined) resolve();
          else reject(failure);
        },
      };
      const timer = this.#clock.after(limitMs, () => waiter.settle(timedOut()));
      if (cancel !== undefined) cancel.onCancel = () => waiter.settle(cancelled());
      this.#waiters.add(waiter);
    });
  }

  /** Lets the first look again. */
  next(): void {
    for (const waiter of this.#waiters) {
      waiter.settle();
      return;
    }
  }

  failAll(failure: UpstreamFailure): void {
    for (const waiter of [...this.#waiters]) waiter.settle(failure);
  }
}
