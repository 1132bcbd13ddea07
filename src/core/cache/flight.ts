/**
 * One computation that several callers wait for: the rows of one request that nobody computed yet. It ends once, with rows or with
 * an error; while it goes on it counts who still wants it, and is cancelled when nobody does. Made by the cached runner.
 */
import type { CacheOutcome } from '../../ports/cache-store.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import type { ErrorCode, HotpathError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { CancelToken, type Priority } from '../types.ts';

/** Rows in the order the flight was given them. */
export interface Landed {
  readonly rows: readonly (readonly Tensor[])[];
  readonly sources: readonly CacheOutcome[];
  /** Of the run; undefined when every row was found in a tier. */
  readonly answer: BatchAnswer | undefined;
}

export interface FlightListener {
  flightEnded(flight: Flight): void;
}

export class Flight {
  /** The inner runner's own: the callers' tokens have one place each, and each caller may leave alone. */
  readonly token = new CancelToken();
  readonly keys: readonly string[];
  readonly priority: Priority;
  /** Of the keyspace when it began: after an invalidation its answer is neither stored nor joined. */
  readonly generation: number;
  /** Nobody waits for it. */
  readonly background: boolean;
  landed: Landed | undefined;
  error: HotpathError | undefined;
  #callers = 1;
  #positions: Map<string, number> | undefined;
  #listeners: FlightListener[] | undefined;

  constructor(keys: readonly string[], priority: Priority, generation: number, background = false) {
    this.keys = keys;
    this.priority = priority;
    this.generation = generation;
    this.background = background;
  }

  get ended(): boolean {
    return this.landed !== undefined || this.error !== undefined;
  }

  /** Whether anybody hears of the end who is told by `listen`. */
  get heard(): boolean {
    return this.#listeners !== undefined;
  }

  /** Of one of its keys. */
  positionOf(key: string): number {
    if (this.keys.length === 1) return 0;
    this.#positions ??= new Map(this.keys.map((each, position) => [each, position]));
    return this.#positions.get(key)!;
  }

  get callers(): number {
    return this.#callers;
  }

  /** One more caller waits. Whoever begins a flight is its first without this. */
  join(): void {
    this.#callers++;
  }

  listen(listener: FlightListener): void {
    this.#listeners ??= [];
    this.#listeners.push(listener);
  }

  /** A caller waits no more. The last one takes the computation with it. */
  leave(): void {
    this.#callers--;
    if (this.#callers === 0 && !this.ended) this.token.cancel();
  }

  land(landed: Landed): void {
    if (this.ended) return;
    this.landed = landed;
    this.#tell();
  }

  fail(error: HotpathError): void {
    if (this.ended) return;
    this.error = error;
    this.#tell();
  }

  #tell(): void {
    const listeners = this.#listeners;
    this.#listeners = undefined;
    if (listeners !== undefined) for (const listener of listeners) listener.flightEnded(this);
  }
}

/** Errors that are about the one who computes, not about the inputs: others try for themselves. */
const ownFate: ReadonlySet<ErrorCode> = new Set(['CANCELLED', 'DEADLINE_EXCEEDED', 'OVERLOADED']);

export function concernsOthers(error: HotpathError): boolean {
  return !ownFate.has(error.code);
}
