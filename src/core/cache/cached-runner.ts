/**
 * Stands before the batcher of a model whose answers are cached. A row that is known is answered at once, a row that is being
 * computed is waited for, and only the rest runs. Made by the response cache, held by the registry as the model's runner.
 * It never changes what is answered, and a cache that fails costs time, not answers.
 */
import type { CacheOutcome } from '../../ports/cache-store.ts';
import type { SubmitOptions } from '../batching/batcher.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import { HotpathError, toHotpathError } from '../errors.ts';
import type { Runner } from '../runner.ts';
import type { Tensor } from '../tensor.ts';
import { copyRow, copyWhole, gatherRows, withOutcome } from './cached-rows.ts';
import { Flight } from './flight.ts';
import { type Keyed, KeyTable } from './key-table.ts';
import { checkRows, type LeadParts, type LeadRequest, lead } from './lead.ts';
import type { ModelCache } from './model-cache.ts';
import { RowsRequest } from './rows-request.ts';

/** Under a key: who computes it. */
class Place implements Keyed {
  readonly key: string;
  flight: Flight;
  hash = 0;
  next: this | undefined = undefined;

  constructor(key: string, flight: Flight) {
    this.key = key;
    this.flight = flight;
  }
}

export interface CachedRunnerOptions {
  readonly inner: Runner;
  readonly cache: ModelCache;
  /** Deadline of requests that bring none. */
  readonly sloMs: number;
  readonly onClose: () => void;
}

/** After a renewal failed, the old answer is given this long before the next attempt. */
const renewalPauseMs = 1000;

export class CachedRunner implements Runner {
  readonly #inner: Runner;
  readonly #cache: ModelCache;
  readonly #options: CachedRunnerOptions;
  /** By key; a flight of several rows stands under each of them. */
  readonly #flights: KeyTable<Place>;
  readonly #parts: LeadParts;
  readonly #rowwise: boolean;
  /** Renewals that nobody waits for; `close` does. */
  readonly #renewals = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  constructor(options: CachedRunnerOptions) {
    this.#options = options;
    this.#inner = options.inner;
    this.#flights = new KeyTable(2 ** 31 * options.cache.options.random());
    this.#cache = options.cache;
    this.#rowwise = options.cache.options.space.keyspace.identity.rowwise;
    this.#parts = {
      inner: options.inner,
      cache: options.cache,
      forget: (flight) => this.#forget(flight),
      found: ({ stale }, position, request) => {
        if (stale) this.renew(request.flight.keys[position]!, request.inputs, request.rows[position]!, request.options);
      },
    };
  }

  /** @throws what the inner runner throws; also DEADLINE_EXCEEDED and CANCELLED while it waits for another request's computation. */
  submit(inputs: readonly Tensor[], options: SubmitOptions): Promise<BatchAnswer> {
    const rows = this.#rowwise ? inputs[0]!.shape[0]! : 1;
    if (options.cache === 'no-store' || options.solo || rows === 0) return this.#bypass(inputs, options, rows);
    if (this.#closing !== undefined) return Promise.reject(shuttingDown());
    const anew = options.cache === 'no-cache';
    if (rows > 1 || anew) return new RowsRequest(this, inputs, options, rows, anew).run();
    const key = this.#cache.options.space.keyspace.memoryKey(inputs, 0);
    // The arrival is now, but for what checked the request: close enough for an expiry, and free.
    const nowMs = options.arrivalMs;
    const entry = this.#cache.lookup(key, nowMs);
    if (entry !== undefined) {
      const { telemetry } = this.#cache.options;
      telemetry.cacheRows('memory', 1);
      if (entry.freshUntilMs <= nowMs) {
        telemetry.cacheRows('stale', 1);
        this.renew(key, inputs, 0, options);
      }
      return Promise.resolve(entry.value);
    }
    if (this.#cache.far.length === 0 && this.joinable(key, options) === undefined) {
      const kept = this.#cache.admits(key);
      // Not seen lately, in a model that hardly ever sees a row twice: nobody is going to ask for it meanwhile either.
      if (!kept) return this.#pass(inputs, options);
      return this.#leadAlone(key, inputs, options);
    }
    return new RowsRequest(this, inputs, options, 1, false).run();
  }

  /** Of answers that come as the inner runner gave them. */
  get outcome(): CacheOutcome {
    return 'miss';
  }

  get inner(): Runner {
    return this.#inner;
  }

  get cache(): ModelCache {
    return this.#cache;
  }

  get sloMs(): number {
    return this.#options.sloMs;
  }

  /** Keys that are being computed. */
  get flights(): number {
    return this.#flights.size;
  }

  get liveSequences(): number {
    return this.#inner.liveSequences ?? 0;
  }

  status(): ReturnType<Runner['status']> {
    return this.#inner.status();
  }

  /** What is in flight is answered first; nothing new begins. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // The inner runner lets go of everything it was given; only then are renewals, which go through it, at an end.
    await this.#inner.close();
    await Promise.all(this.#renewals);
    this.#options.onClose();
  }

  /** The computation a request may wait for: not one nobody wants, from before an invalidation, or that is never urgent. */
  joinable(key: string, options: SubmitOptions): Flight | undefined {
    const flight = this.#flights.get(key)?.flight;
    if (flight === undefined || flight.token.cancelled || flight.generation !== this.#cache.generation)
      return undefined;
    return flight.background && options.priority < flight.priority ? undefined : flight;
  }

  /** Begins to compute, or to find, `keys`; whoever waits listens to the flight. */
  begin({ keys, ...request }: Omit<LeadRequest, 'flight'> & { readonly keys: readonly string[] }): Flight {
    const flight = new Flight(keys, request.options.priority, this.#cache.generation);
    // What is computed anew at somebody's wish stands beside what the others wait for.
    if (!request.anew) for (const key of keys) this.#enter(key, flight);
    void lead(this.#parts, { ...request, flight });
    return flight;
  }

  #enter(key: string, flight: Flight): Place {
    let place = this.#flights.get(key);
    if (place === undefined) {
      place = new Place(key, flight);
      this.#flights.add(place);
    } else {
      place.flight = flight;
    }
    return place;
  }

  #forget(flight: Flight): void {
    for (const key of flight.keys) {
      const place = this.#flights.get(key);
      if (place !== undefined) this.#leave(place, flight);
    }
  }

  /** Unless another flight has taken the place: then that one leaves it. */
  #leave(place: Place, flight: Flight): void {
    if (place.flight === flight) this.#flights.remove(place);
  }

  /** A miss that leaves no trace: no flight, no further promise. */
  #pass(inputs: readonly Tensor[], options: SubmitOptions): Promise<BatchAnswer> {
    this.#cache.options.telemetry.cacheRows('miss', 1);
    return this.#inner.submit(inputs, options);
  }

  async #bypass(inputs: readonly Tensor[], options: SubmitOptions, rows: number): Promise<BatchAnswer> {
    const answer = await this.#inner.submit(inputs, options);
    if (rows > 0) this.#cache.options.telemetry.cacheRows('bypass', rows);
    return withOutcome(answer, 'bypass');
  }

  /** A miss of one row without tiers beyond memory: what `begin` and the rows request do, with one promise and no waiting. */
  #leadAlone(key: string, inputs: readonly Tensor[], options: SubmitOptions): Promise<BatchAnswer> {
    const { priority, arrivalMs, timeoutMs, cancel } = options;
    const cache = this.#cache;
    cache.options.telemetry.cacheRows('miss', 1);
    if (cancel?.cancelled === true) return Promise.reject(clientLeft());
    const flight = new Flight([key], priority, cache.generation);
    const place = this.#enter(key, flight);
    let left = false;
    if (cancel !== undefined) {
      cancel.onCancel = () => {
        left = true;
        // Its inputs are read until the flight ends, so the answer to whoever left waits for that.
        if (flight.callers > 1) cache.options.telemetry.cancelled();
        flight.leave();
      };
    }
    return this.#inner.submit(inputs, { priority, arrivalMs, timeoutMs, solo: false, cancel: flight.token }).then(
      (answer) => {
        if (cancel !== undefined) cancel.onCancel = undefined;
        this.#leave(place, flight);
        this.#landAlone(flight, key, answer);
        if (left) throw clientLeft();
        return withOutcome(answer, 'miss');
      },
      (error: unknown) => {
        if (cancel !== undefined) cancel.onCancel = undefined;
        this.#leave(place, flight);
        flight.fail(toHotpathError(error));
        throw left ? clientLeft() : error;
      },
    );
  }

  #landAlone(flight: Flight, key: string, answer: BatchAnswer): void {
    const cache = this.#cache;
    const kept = cache.keepsInMemory && cache.storable(answer.outputs);
    if (!kept && !flight.heard) return;
    try {
      if (this.#rowwise) checkRows(answer, 1);
      const row = this.#rowwise ? copyRow(answer.outputs, 0) : copyWhole(answer.outputs);
      if (kept) cache.keepInMemory(key, row, cache.lifetimeMs(), flight.generation);
      flight.land({ rows: [row], sources: ['miss'], answer });
    } catch (error) {
      flight.fail(toHotpathError(error));
    }
  }

  /** Computes a stale row anew, behind everything else. Its failure is silent: the old answer is given until it expires. */
  renew(key: string, inputs: readonly Tensor[], row: number, { arrivalMs }: SubmitOptions): void {
    if (this.#closing !== undefined || this.#flights.get(key)?.flight.generation === this.#cache.generation) return;
    // The request is answered long before: its memory is not ours any more then.
    const copy = this.#rowwise ? gatherRows(inputs, [row]) : copyWhole(inputs);
    const options: SubmitOptions = { priority: 3, arrivalMs, timeoutMs: undefined, solo: false, cancel: undefined };
    const flight = new Flight([key], 3, this.#cache.generation, true);
    this.#enter(key, flight);
    const deadlineMs = arrivalMs + this.#options.sloMs;
    const renewal = lead(this.#parts, { flight, inputs: copy, rows: [0], options, deadlineMs, anew: true }).then(() => {
      this.#renewals.delete(renewal);
      if (flight.error !== undefined) this.#cache.postponeRenewal(key, renewalPauseMs);
    });
    this.#renewals.add(renewal);
  }
}

function clientLeft(): HotpathError {
  return new HotpathError('CANCELLED', 'The client left.');
}

function shuttingDown(): HotpathError {
  return new HotpathError('SHUTTING_DOWN', 'The model is being unloaded.');
}
