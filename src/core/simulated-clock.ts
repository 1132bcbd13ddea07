/**
 * A clock that stands still until told otherwise. Used by the simulation of the scheduler and by unit tests, so that hours of
 * traffic run in milliseconds. Timers fire in order of time, then of creation; deferred calls run before time moves on.
 */
import type { Clock, TimerHandle } from '../ports/clock.ts';
import { Heap } from './heap.ts';

interface Timer {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
  cleared: boolean;
}

export class SimulatedClock implements Clock {
  #nowMs: number;
  #sequence = 0;
  readonly #timers = new Heap<Timer>(before);
  #deferred: (() => void)[] = [];

  constructor(startMs = 0) {
    this.#nowMs = startMs;
  }

  now(): number {
    return this.#nowMs;
  }

  after(delayMs: number, run: () => void): TimerHandle {
    const timer: Timer = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, run, cleared: false };
    this.#timers.push(timer);
    return timer;
  }

  clear(timer: TimerHandle): void {
    (timer as Timer).cleared = true;
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  /** Runs everything deferred, including what that defers again. */
  flush(): void {
    while (this.#deferred.length > 0) {
      const batch = this.#deferred;
      this.#deferred = [];
      for (const run of batch) run();
    }
  }

  /** Moves time forward by `ms`, firing every timer on the way. */
  advance(ms: number): void {
    this.advanceTo(this.#nowMs + ms);
  }

  advanceTo(targetMs: number): void {
    this.flush();
    for (let next = this.#timers.top; next !== undefined && next.atMs <= targetMs; next = this.#timers.top) {
      this.#timers.pop();
      if (next.cleared) continue;
      this.#nowMs = next.atMs;
      next.run();
      this.flush();
    }
    this.#nowMs = Math.max(this.#nowMs, targetMs);
  }

  /** Fires timers until none is left; for simulations that end by themselves. */
  runToEnd(): void {
    this.flush();
    for (let next = this.#timers.top; next !== undefined; next = this.#timers.top) this.advanceTo(next.atMs);
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence);
}
