/**
 * One request that waits for flights, its own and others'. Ends the wait when all have ended, when one ends in an error that is this
 * request's too, when its client leaves, or at its deadline. It never ends before a flight that reads its inputs: after the answer
 * their memory is somebody else's. Used by the cached runner, once per request that was not answered from memory.
 */
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import { HotpathError } from '../errors.ts';
import type { CancelToken } from '../types.ts';
import { concernsOthers, type Flight, type FlightListener } from './flight.ts';

/** Timers of the runtime fire at once beyond this. */
const maxTimerMs = 2 ** 31 - 1;

export interface CallerOptions {
  readonly clock: Clock;
  readonly telemetry: ModelTelemetry;
  readonly cancel: CancelToken | undefined;
  readonly deadlineMs: number;
}

export class Caller implements FlightListener {
  readonly #options: CallerOptions;
  #own: Flight | undefined;
  #joined = new Set<Flight>();
  #timer: TimerHandle | undefined;
  #error: HotpathError | undefined;
  #resolve: (() => void) | undefined;
  #reject: ((error: HotpathError) => void) | undefined;

  constructor(options: CallerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when `own` (begun by this caller) and all of `joined` have ended, also when joined ones failed for their leader's own
   * reasons. @throws the error of `own`; errors of joined flights that are about the inputs; CANCELLED; DEADLINE_EXCEEDED.
   */
  wait(own: Flight | undefined, joined: Iterable<Flight>): Promise<void> {
    const { clock, cancel, deadlineMs } = this.#options;
    return new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
      if (own !== undefined && !own.ended) {
        this.#own = own;
        own.listen(this);
      } else if (own?.error !== undefined) {
        this.#error = own.error;
      }
      for (const flight of joined) {
        flight.join();
        flight.listen(this);
        this.#joined.add(flight);
      }
      if (cancel?.cancelled === true) this.#cancelled();
      else if (cancel !== undefined) cancel.onCancel = () => this.#cancelled();
      if (this.#joined.size > 0)
        this.#timer = clock.after(Math.min(deadlineMs - clock.now(), maxTimerMs), () => this.#expired());
      this.#settleIfDone();
    });
  }

  flightEnded(flight: Flight): void {
    const { error } = flight;
    if (flight === this.#own) {
      this.#own = undefined;
      if (error !== undefined) this.#leave(error);
    } else if (this.#joined.delete(flight) && error !== undefined && concernsOthers(error)) {
      this.#leave(error);
    }
    this.#settleIfDone();
  }

  #cancelled(): void {
    // Otherwise the inner runner counts it, whose last caller this is.
    if ([...this.#joined, ...(this.#own === undefined ? [] : [this.#own])].every(({ callers }) => callers > 1)) {
      this.#options.telemetry.cancelled();
    }
    this.#leave(new HotpathError('CANCELLED', 'The client left.'));
    this.#settleIfDone();
  }

  #expired(): void {
    this.#timer = undefined;
    this.#options.telemetry.expired();
    this.#leave(new HotpathError('DEADLINE_EXCEEDED', 'The deadline passed before the answer was there.'));
    this.#settleIfDone();
  }

  /** Wants nothing more. Its own flight may go on for others, and is then waited for. */
  #leave(error: HotpathError): void {
    if (this.#error !== undefined) return;
    this.#error = error;
    const joined = this.#joined;
    this.#joined = new Set();
    for (const flight of joined) flight.leave();
    this.#own?.leave();
  }

  #settleIfDone(): void {
    if (this.#own !== undefined || this.#joined.size > 0 || this.#resolve === undefined) return;
    const { clock, cancel } = this.#options;
    if (this.#timer !== undefined) clock.clear(this.#timer);
    this.#timer = undefined;
    if (cancel !== undefined) cancel.onCancel = undefined;
    const resolve = this.#resolve;
    const reject = this.#reject!;
    this.#resolve = undefined;
    if (this.#error === undefined) resolve();
    else reject(this.#error);
  }
}
