/**
 * Carries out a flight: the tiers beyond memory first, then, where servers share their flights, another server's answer, then the
 * model. Called by the cached runner for the rows that nobody in this process computes. Ends the flight in every case.
 */
import type { CacheOutcome } from '../../ports/cache-store.ts';
import type { SubmitOptions } from '../batching/batcher.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import { HotpathError, toHotpathError } from '../errors.ts';
import type { Runner } from '../runner.ts';
import type { Tensor } from '../tensor.ts';
import { copyRow, copyWhole, gatherRows } from './cached-rows.ts';
import type { Flight } from './flight.ts';
import { type LeaseWait, splitByLease, waitForOthers } from './lease-wait.ts';
import { type FarRow, type ModelCache, positionsMissing } from './model-cache.ts';

export interface LeadRequest {
  readonly flight: Flight;
  /** Of the request that leads; they stay readable until the flight has ended. */
  readonly inputs: readonly Tensor[];
  /** Row of `inputs` for each key of the flight. */
  readonly rows: readonly number[];
  /** The leader's; its cancel token is not used. */
  readonly options: SubmitOptions;
  readonly deadlineMs: number;
  /** Looks nowhere and computes. */
  readonly anew: boolean;
}

export interface LeadParts {
  readonly inner: Runner;
  readonly cache: ModelCache;
  /** Takes the flight out of the table, so that what comes after its end begins another. */
  readonly forget: (flight: Flight) => void;
  readonly found: (row: FarRow, position: number, request: LeadRequest) => void;
}

/** Never rejects. */
export async function lead(parts: LeadParts, request: LeadRequest): Promise<void> {
  const { flight } = request;
  try {
    const lead = new Lead(parts, request);
    await lead.run();
    parts.forget(flight);
    flight.land({ rows: lead.rows as (readonly Tensor[])[], sources: lead.sources, answer: lead.answer });
  } catch (error) {
    parts.forget(flight);
    flight.fail(toHotpathError(error));
  }
}

class Lead {
  readonly rows: (readonly Tensor[] | undefined)[];
  readonly sources: CacheOutcome[];
  answer: BatchAnswer | undefined;
  readonly #parts: LeadParts;
  readonly #request: LeadRequest;
  readonly #farKeys: readonly string[];

  constructor(parts: LeadParts, request: LeadRequest) {
    this.#parts = parts;
    this.#request = request;
    const count = request.flight.keys.length;
    this.rows = new Array<readonly Tensor[] | undefined>(count).fill(undefined);
    this.sources = new Array<CacheOutcome>(count).fill('miss');
    const { space, far } = parts.cache.options;
    this.#farKeys = far.length === 0 ? [] : request.rows.map((row) => space.keyspace.farKey(request.inputs, row));
  }

  async run(): Promise<void> {
    const { cache } = this.#parts;
    const { flight, anew } = this.#request;
    if (cache.far.length === 0 || anew) return this.#compute(this.rows.map((_, position) => position));
    const found = await cache.readFar(flight.keys, this.#farKeys, flight.generation);
    this.#take(found);
    const missing = positionsMissing(found);
    if (missing.length === 0) return;
    const leased = cache.far.find(({ leases }) => leases !== undefined);
    if (!cache.options.settings.shareFlights || leased === undefined) return this.#compute(missing);
    await this.#share(
      { cache, store: leased, flight, farKeys: this.#farKeys, deadlineMs: this.#request.deadlineMs },
      missing,
    );
  }

  /** Computes what this server may, and takes the rest from those who compute it, or computes it late. */
  async #share(wait: LeaseWait, missing: readonly number[]): Promise<void> {
    const { mine, others } = await splitByLease(wait, missing);
    const computed = mine.length === 0 ? undefined : this.#compute(mine);
    const release = () => {
      for (const position of mine) wait.store.release(this.#farKeys[position]!);
    };
    // Waiters look into the store: the lease goes back once the answer is there.
    computed?.then(
      () => wait.store.settled(1000).then(release),
      () => release(),
    );
    const found = new Array<FarRow | undefined>(this.rows.length).fill(undefined);
    const [rest] = await Promise.all([waitForOthers(wait, others, found), computed]);
    this.#take(found);
    if (rest.length > 0) await this.#compute(rest);
  }

  #take(found: readonly (FarRow | undefined)[]): void {
    for (let position = 0; position < found.length; position++) {
      const row = found[position];
      if (row === undefined) continue;
      this.rows[position] = row.outputs;
      this.sources[position] = row.tier;
      this.#parts.found(row, position, this.#request);
    }
  }

  async #compute(positions: readonly number[]): Promise<void> {
    const { inner, cache } = this.#parts;
    const { flight, rows, inputs, options } = this.#request;
    if (flight.token.cancelled) throw new HotpathError('CANCELLED', 'Nobody waits for the answer any more.');
    const { rowwise } = cache.options.space.keyspace.identity;
    const wanted = positions.map((position) => rows[position]!);
    const whole = !rowwise || isWhole(wanted, inputs[0]!.shape[0]!);
    const { priority, arrivalMs, timeoutMs } = options;
    const answer = await inner.submit(whole ? inputs : gatherRows(inputs, wanted), {
      priority,
      arrivalMs,
      timeoutMs,
      solo: false,
      cancel: flight.token,
    });
    if (rowwise) checkRows(answer, wanted.length);
    const kept = positions.map((position, index) => {
      const outputs = rowwise ? copyRow(answer.outputs, index) : copyWhole(answer.outputs);
      this.rows[position] = outputs;
      return { memoryKey: flight.keys[position]!, farKey: this.#farKeys[position], outputs };
    });
    this.answer = answer;
    await cache.keep(kept, flight.generation);
  }
}

export function checkRows({ outputs }: BatchAnswer, rows: number): void {
  for (const { shape } of outputs) {
    if (shape[0] !== rows) {
      throw new HotpathError('ENGINE_FAILED', 'The model answered another number of rows than it was given.');
    }
  }
}

function isWhole(wanted: readonly number[], rows: number): boolean {
  return wanted.length === rows && wanted.every((row, index) => row === index);
}
