/** Time and scheduling as arguments, so that windows, deadlines and retries are tested in microseconds of real time. */

export type TimerHandle = object | number;

export interface Clock {
  /** Milliseconds of a monotonic clock, with fractions. */
  now(): number;
  /** Calls `run` after `delayMs`. The handle goes to `clear`. */
  after(delayMs: number, run: () => void): TimerHandle;
  clear(timer: TimerHandle): void;
  /** Calls `run` at the end of this turn of the event loop, after all sockets readable now were read. */
  defer(run: () => void): void;
}

/** Uniform in [0, 1), as Math.random. */
export type Random = () => number;
