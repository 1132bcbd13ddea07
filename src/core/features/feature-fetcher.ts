/**
 * The calls to one source: flights wait in a bounded line, leave in batches over a bounded number of calls, and every wait ends
 * after `timeoutMs`. A breaker spares a source that is gone, repetitions have a budget. Owned by feature-cache.ts, which is told of
 * every answer and every failure; it remembers nothing itself.
 */
import type { Clock, Random } from '../../ports/clock.ts';
import type { FeatureRow, FeatureSource } from '../../ports/feature-source.ts';
import { Breaker, type BreakerState } from '../breaker.ts';
import type { Flight } from './flight.ts';
import { RetryBudget } from './retry-budget.ts';
import { SourceFailure } from './source-failure.ts';

const defaultMaxBatch = 100;
/** As many as an HTTP source has connections. */
const maxCalls = 8;
/** Of entities in the line. */
const maxWaiting = 10_000;
const breakerConfig = { failures: 5, openMs: 1000 };
/** A repetition waits a random part of it, so that servers do not repeat in step. */
const maxPauseMs = 20;

export interface FetcherOptions {
  readonly source: FeatureSource;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Also for answers that came too late for whoever waited: they are still true. */
  readonly onRow: (flight: Flight, row: FeatureRow | undefined) => void;
  /** Once per flight that gets no answer. `full`: the line was. */
  readonly onFailure: (flights: readonly Flight[], cause: unknown, full: boolean) => void;
}

export interface FetcherStatus {
  /** Calls made, repetitions included, and how many of them failed. */
  readonly calls: number;
  readonly repeats: number;
  readonly errors: number;
  readonly waiting: number;
  readonly running: number;
  readonly breaker: BreakerState;
  readonly lastError: string | undefined;
}

interface Call {
  readonly flights: readonly Flight[];
  readonly endMs: number;
  repeated: boolean;
}

export class FeatureFetcher {
  readonly #options: FetcherOptions;
  readonly #breaker = new Breaker(breakerConfig);
  readonly #budget = new RetryBudget();
  #line: Flight[] = [];
  #running = 0;
  #calls = 0;
  #repeats = 0;
  #errors = 0;
  #lastError: string | undefined;

  constructor(options: FetcherOptions) {
    this.#options = options;
  }

  /** True while calls would be refused anyway. */
  get isDown(): boolean {
    return this.#breaker.state(this.#options.clock.now()) === 'open';
  }

  /** Each flight lands or fails within `timeoutMs` and a turn. */
  add(flights: readonly Flight[]): void {
    const { clock, timeoutMs, onFailure } = this.#options;
    const room = Math.max(0, maxWaiting - this.#line.length);
    const taken = flights.length > room ? flights.slice(0, room) : flights;
    if (taken.length < flights.length) onFailure(flights.slice(room), undefined, true);
    if (taken.length === 0) return;
    for (const flight of taken) this.#line.push(flight);
    this.#pump();
    if (this.#line.length === 0) return;
    // What left at once has the limit of its call; time in the line counts too.
    clock.after(timeoutMs, () => this.#expire(taken));
  }

  status(): FetcherStatus {
    return {
      calls: this.#calls,
      repeats: this.#repeats,
      errors: this.#errors,
      waiting: this.#line.length,
      running: this.#running,
      breaker: this.#breaker.state(this.#options.clock.now()),
      lastError: this.#lastError,
    };
  }

  #expire(flights: readonly Flight[]): void {
    const late = flights.filter((flight) => !flight.over);
    if (late.length === 0) return;
    this.#options.onFailure(late, new SourceFailure('Too many calls were under way.', false), false);
    this.#line = this.#line.filter((flight) => !flight.over);
  }

  #pump(): void {
    const { clock, source, onFailure, timeoutMs } = this.#options;
    const maxBatch = source.maxBatch ?? defaultMaxBatch;
    while (this.#line.length > 0 && this.#running < maxCalls) {
      if (!this.#breaker.allows(clock.now())) {
        // Nobody waits for a source that is gone, and nobody is left behind while one call tries it.
        const waiting = this.#line;
        this.#line = [];
        onFailure(waiting, new SourceFailure(this.#lastError ?? 'It failed before.', false), false);
        return;
      }
      const flights = this.#take(maxBatch);
      if (flights.length === 0) return;
      this.#budget.earn();
      this.#start({ flights, endMs: clock.now() + timeoutMs, repeated: false });
    }
  }

  /** The next of the line that somebody still waits for; the others fail, which nobody hears. */
  #take(maxBatch: number): Flight[] {
    const wanted: Flight[] = [];
    const left: Flight[] = [];
    let at = 0;
    for (; at < this.#line.length && wanted.length < maxBatch; at++) {
      const flight = this.#line[at]!;
      (flight.wanted ? wanted : left).push(flight);
    }
    this.#line = this.#line.slice(at);
    if (left.length > 0) this.#options.onFailure(left, undefined, false);
    return wanted;
  }

  #start(call: Call): void {
    const { clock, source } = this.#options;
    const nowMs = clock.now();
    this.#running++;
    this.#calls++;
    this.#breaker.begin(nowMs);
    let running = true;
    // A source that never settles must not keep its place.
    const end = (): boolean => {
      if (!running) return false;
      running = false;
      clock.clear(timer);
      this.#running--;
      return true;
    };
    const timer = clock.after(call.endMs - nowMs, () => {
      if (end()) this.#fail(call, new SourceFailure('It did not answer in time.', false));
    });
    fetchOf(source, call.flights).then(
      (rows) => {
        if (end()) this.#breaker.succeed();
        this.#land(call, rows);
        this.#pump();
      },
      (error: unknown) => {
        if (end()) this.#fail(call, error);
      },
    );
  }

  #land({ flights }: Call, rows: readonly (FeatureRow | undefined)[]): void {
    for (let index = 0; index < flights.length; index++) this.#options.onRow(flights[index]!, rows[index]);
  }

  #fail(call: Call, error: unknown): void {
    const { clock, random, onFailure } = this.#options;
    this.#errors++;
    this.#lastError = error instanceof Error ? error.message : String(error);
    if (error instanceof SourceFailure && error.answered) this.#breaker.succeed();
    else this.#breaker.fail(clock.now());
    if (this.#mayRepeat(call, error)) {
      call.repeated = true;
      // Keeps its place among the calls while it pauses.
      this.#running++;
      clock.after(random() * maxPauseMs, () => this.#repeat(call, error));
    } else {
      onFailure(call.flights, error, false);
    }
    this.#pump();
  }

  #mayRepeat(call: Call, error: unknown): boolean {
    if (call.repeated || !(error instanceof SourceFailure) || !error.repeatable) return false;
    const nowMs = this.#options.clock.now();
    return call.endMs - nowMs > 2 * maxPauseMs && this.#breaker.allows(nowMs) && this.#budget.spend();
  }

  #repeat(call: Call, error: unknown): void {
    const { clock, onFailure } = this.#options;
    this.#running--;
    const wanted = call.flights.some((flight) => flight.wanted);
    if (!wanted || !this.#breaker.allows(clock.now())) {
      onFailure(call.flights, error, false);
      this.#pump();
      return;
    }
    this.#repeats++;
    this.#start(call);
  }
}

/** A wrong number of answers would give one entity the features of another. */
async function fetchOf(
  source: FeatureSource,
  flights: readonly Flight[],
): Promise<readonly (FeatureRow | undefined)[]> {
  const rows = await source.fetchMany(flights.map((flight) => flight.entity));
  if (rows.length !== flights.length) {
    throw new SourceFailure(`It answered ${rows.length} of ${flights.length} entities.`, false);
  }
  return rows;
}
