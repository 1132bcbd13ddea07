/**
 * One request on its way through the cache: known rows are taken, rows that others compute are waited for, the rest is begun as one
 * flight, and all of them are put together in their order. Equal rows are one row. Rows whose leader failed for reasons of its own
 * are tried again. Made by the cached runner for whatever it cannot answer at once.
 */
import type { CacheOutcome } from '../../ports/cache-store.ts';
import type { CacheRowOutcome } from '../../ports/telemetry.ts';
import type { SubmitOptions } from '../batching/batcher.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import type { Tensor } from '../tensor.ts';
import { joinRows, withOutcome } from './cached-rows.ts';
import type { CachedRunner } from './cached-runner.ts';
import { Caller } from './caller.ts';
import type { Flight } from './flight.ts';

/** Slowest first: a request is as slow as its slowest row. */
const outcomesBySlowness: readonly CacheOutcome[] = ['miss', 'database', 'redis', 'memory'];

/** Refusals of others a request waits through before it takes one as its own; a thousand followers must not try one by one. */
const maxRefusals = 2;

export class RowsRequest {
  readonly #runner: CachedRunner;
  readonly #inputs: readonly Tensor[];
  readonly #options: SubmitOptions;
  readonly #anew: boolean;
  readonly #deadlineMs: number;
  readonly #values: (readonly Tensor[] | undefined)[];
  /** Rows by key, of keys without a value yet, in the order of their first row. */
  readonly #missing = new Map<string, number[]>();
  readonly #outcomes = new Set<CacheOutcome>();
  readonly #counts = new Map<CacheRowOutcome, number>();
  /** The last run that computed some of it. */
  #answer: BatchAnswer | undefined;
  #refusals = 0;

  constructor(runner: CachedRunner, inputs: readonly Tensor[], options: SubmitOptions, rows: number, anew: boolean) {
    this.#runner = runner;
    this.#inputs = inputs;
    this.#options = options;
    this.#anew = anew;
    this.#deadlineMs = options.arrivalMs + (options.timeoutMs ?? runner.sloMs);
    this.#values = new Array<readonly Tensor[] | undefined>(rows).fill(undefined);
    const { keyspace } = runner.cache.options.space;
    for (let row = 0; row < rows; row++) {
      const key = keyspace.memoryKey(inputs, row);
      const same = this.#missing.get(key);
      if (same === undefined) this.#missing.set(key, [row]);
      else same.push(row);
    }
  }

  async run(): Promise<BatchAnswer> {
    const { telemetry, clock } = this.#runner.cache.options;
    const { cancel } = this.#options;
    const caller = new Caller({ clock, telemetry, cancel, deadlineMs: this.#deadlineMs });
    try {
      while (this.#missing.size > 0) {
        const { leads, joins } = this.#look();
        if (leads.length === 0 && joins.size === 0) break;
        const own = leads.length === 0 ? undefined : this.#begin(leads);
        await caller.wait(own, joins.keys());
        if (own !== undefined) this.#collect(own, leads, undefined);
        for (const [flight, keys] of joins) this.#collect(flight, keys, 'joined');
      }
    } finally {
      for (const rows of this.#missing.values()) this.#count('miss', rows.length);
      for (const [outcome, rows] of this.#counts) telemetry.cacheRows(outcome, rows);
    }
    return this.#assemble();
  }

  /** Takes what is in memory; says what to wait for and what to begin. Synchronous, so that no two requests begin the same. */
  #look(): { leads: string[]; joins: Map<Flight, string[]> } {
    const runner = this.#runner;
    const nowMs = runner.cache.options.clock.now();
    const leads: string[] = [];
    const joins = new Map<Flight, string[]>();
    for (const [key, rows] of this.#missing) {
      const entry = this.#anew ? undefined : runner.cache.lookup(key, nowMs);
      if (entry !== undefined) {
        if (entry.freshUntilMs <= nowMs) {
          this.#count('stale', rows.length);
          runner.renew(key, this.#inputs, rows[0]!, this.#options);
        }
        this.#place(key, entry.value.outputs, 'memory', 'memory');
        continue;
      }
      const flight = this.#anew ? undefined : runner.joinable(key, this.#options);
      if (flight === undefined) {
        leads.push(key);
        continue;
      }
      const keys = joins.get(flight);
      if (keys === undefined) joins.set(flight, [key]);
      else keys.push(key);
    }
    return { leads, joins };
  }

  #begin(keys: readonly string[]): Flight {
    const rows = keys.map((key) => this.#missing.get(key)![0]!);
    return this.#runner.begin({
      keys,
      inputs: this.#inputs,
      rows,
      options: this.#options,
      deadlineMs: this.#deadlineMs,
      anew: this.#anew,
    });
  }

  /** @throws OVERLOADED when it has waited through enough refusals of others. */
  #collect(flight: Flight, keys: readonly string[], counted: 'joined' | undefined): void {
    const { landed, error } = flight;
    if (landed === undefined) {
      if (error?.code === 'OVERLOADED' && ++this.#refusals > maxRefusals) throw error;
      return;
    }
    this.#answer ??= landed.answer;
    for (const key of keys) {
      const position = flight.positionOf(key);
      const source = landed.sources[position]!;
      this.#place(key, landed.rows[position]!, source, counted ?? source);
    }
  }

  #place(key: string, outputs: readonly Tensor[], source: CacheOutcome, counted: CacheRowOutcome): void {
    const rows = this.#missing.get(key)!;
    this.#missing.delete(key);
    this.#outcomes.add(source);
    this.#count(counted, rows.length);
    for (const row of rows) this.#values[row] = outputs;
  }

  #count(outcome: CacheRowOutcome, rows: number): void {
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + rows);
  }

  #assemble(): BatchAnswer | Promise<BatchAnswer> {
    const values = this.#values as (readonly Tensor[])[];
    const outcome = outcomesBySlowness.find((each) => this.#outcomes.has(each)) ?? 'memory';
    const outputs = values.length === 1 ? values[0]! : joinRows(values);
    // Rows without a common shape: only the model itself can say what they are together.
    if (outputs === undefined) return this.#computeTogether();
    const answer = this.#answer;
    const elapsedMs = this.#runner.cache.options.clock.now() - this.#options.arrivalMs;
    if (answer === undefined) {
      const timing = { queueMs: elapsedMs, batchMs: 0, inferMs: 0, batchRows: 0, release: 'cached' } as const;
      return { outputs, ...timing, cache: outcome };
    }
    const queueMs = Math.max(0, elapsedMs - answer.batchMs - answer.inferMs);
    return { ...withOutcome(answer, outcome), outputs, queueMs };
  }

  async #computeTogether(): Promise<BatchAnswer> {
    const { priority, arrivalMs, timeoutMs, cancel } = this.#options;
    const answer = await this.#runner.inner.submit(this.#inputs, {
      priority,
      arrivalMs,
      timeoutMs,
      solo: false,
      cancel,
    });
    return withOutcome(answer, 'miss');
  }
}
