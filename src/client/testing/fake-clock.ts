/** A clock for clients that jumps to the next timer whenever everybody waits. Tests only. */
import type { ClientClock } from '../deadline.ts';

interface Timer {
  readonly atMs: number;
  readonly run: () => void;
}

export class FakeClock implements ClientClock {
  nowMs = 0;
  readonly #timers = new Set<Timer>();

  now(): number {
    return this.nowMs;
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.nowMs + delayMs, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  get pending(): number {
    return this.#timers.size;
  }

  /** Runs timers in their order until `call` settles. */
  async through<T>(call: Promise<T>): Promise<T> {
    let settled = false;
    const watched = call.finally(() => {
      settled = true;
    });
    watched.catch(() => {});
    while (!settled) {
      // What is already possible happens before time moves on.
      await new Promise((resolve) => setImmediate(resolve));
      const next = [...this.#timers].sort((a, b) => a.atMs - b.atMs)[0];
      if (settled || next === undefined) continue;
      this.#timers.delete(next);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
    }
    return watched;
  }
}
