/**
 * How a background job steps back from an overloaded server: each refusal makes the pause longer, up to a limit, the first success
 * ends it. Shared by all lanes of one job, so that they do not take turns at knocking. Called by cache-warmer.ts.
 */
import type { Clock, TimerHandle } from '../../ports/clock.ts';

const firstPauseMs = 100;
const maxPauseMs = 5000;

export class PolitePause {
  readonly #clock: Clock;
  /** Who waits now: their timers, and how to wake them early. */
  readonly #waiting = new Map<TimerHandle, () => void>();
  #untilMs = Number.NEGATIVE_INFINITY;
  #nextMs = firstPauseMs;
  #busySinceMs: number | undefined;
  #ended = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How long the server has been refusing, without a success in between. */
  get busyMs(): number {
    return this.#busySinceMs === undefined ? 0 : this.#clock.now() - this.#busySinceMs;
  }

  /** Resolves when the pause is over; undefined when there is none. */
  wait(): Promise<void> | undefined {
    const leftMs = this.#untilMs - this.#clock.now();
    if (leftMs <= 0 || this.#ended) return undefined;
    return new Promise((resolve) => {
      const timer = this.#clock.after(leftMs, () => {
        this.#waiting.delete(timer);
        resolve();
      });
      this.#waiting.set(timer, resolve);
    });
  }

  /** The server refused. @param atLeastMs what it asked for; longer than the limit is not obeyed. */
  refused(atLeastMs = 0): void {
    const nowMs = this.#clock.now();
    this.#busySinceMs ??= nowMs;
    // Several calls that were on their way together are one refusal.
    if (nowMs < this.#untilMs) return;
    this.#untilMs = nowMs + Math.min(maxPauseMs, Math.max(this.#nextMs, atLeastMs));
    this.#nextMs = Math.min(maxPauseMs, 2 * this.#nextMs);
  }

  succeeded(): void {
    this.#busySinceMs = undefined;
    this.#nextMs = firstPauseMs;
  }

  /** Wakes all who wait, and lets nobody wait any more. */
  end(): void {
    this.#ended = true;
    for (const [timer, wake] of this.#waiting) {
      this.#clock.clear(timer);
      wake();
    }
    this.#waiting.clear();
  }
}
