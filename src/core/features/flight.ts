/**
 * One entity on its way, and the requests that wait for entities. Made by feature-cache.ts: a flight per entity, however many ask,
 * and a wait per request. A request that leaves ends no flight that others wait for.
 */
import type { FeatureRow } from '../../ports/feature-source.ts';
import type { MemoryEntry } from '../cache/memory-tier.ts';
import type { HotpathError } from '../errors.ts';

export class Flight {
  readonly entity: string;
  /** Given when the source is down. */
  readonly stale: Remembered | undefined;
  /** True once it was answered or has failed. */
  over = false;
  /** Requests and the place of the entity in each. */
  #waits: Place[] = [];

  constructor(entity: string, stale: Remembered | undefined) {
    this.entity = entity;
    this.stale = stale;
  }

  get wanted(): boolean {
    return this.#waits.length > 0;
  }

  board(wait: EntityWait, index: number): void {
    this.#waits.push({ wait, index });
    wait.flights.push(this);
  }

  leave(wait: EntityWait): void {
    this.#waits = this.#waits.filter((place) => place.wait !== wait);
  }

  land(row: FeatureRow | undefined): void {
    this.over = true;
    for (const { wait, index } of this.#waits) wait.take(index, row);
    this.#waits = [];
  }

  fail(error: HotpathError): void {
    this.over = true;
    const waits = this.#waits;
    this.#waits = [];
    for (const { wait } of waits) wait.end(error);
  }
}

interface Place {
  readonly wait: EntityWait;
  readonly index: number;
}

/** What the memory tier holds of an entity. An undefined value is an entity that is unknown; once stale, the source is asked again. */
export type Remembered = MemoryEntry<FeatureRow | undefined>;

type Rows = (FeatureRow | undefined)[];

/** One request that waits for some of its entities. Settles once. */
export class EntityWait {
  readonly rows: Rows;
  readonly flights: Flight[] = [];
  /** Called when it has settled in any way. */
  onEnd: (() => void) | undefined;
  readonly #settled = Promise.withResolvers<Rows>();
  #missing = 0;
  #over = false;

  constructor(rows: Rows) {
    this.rows = rows;
  }

  get promise(): Promise<Rows> {
    return this.#settled.promise;
  }

  await(flight: Flight, index: number): void {
    this.#missing++;
    flight.board(this, index);
  }

  take(index: number, row: FeatureRow | undefined): void {
    if (this.#over) return;
    this.rows[index] = row;
    this.#missing--;
    if (this.#missing > 0) return;
    this.#finish();
    this.#settled.resolve(this.rows);
  }

  /** The request fails or leaves. */
  end(error: HotpathError): void {
    if (this.#over) return;
    this.#finish();
    for (const flight of this.flights) flight.leave(this);
    this.#settled.reject(error);
  }

  #finish(): void {
    this.#over = true;
    this.onEnd?.();
  }
}
