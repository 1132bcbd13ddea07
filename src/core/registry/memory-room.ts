/**
 * Keeps all loaded models within a budget of bytes and a number of models, by evicting the least recently used.
 * Every load asks here for room before the engine allocates, and waits until what it pushes out is really closed.
 * Order of eviction: idle before busy, then by last use; pinned models and the one being replaced stay. When nothing can be
 * evicted any more the load goes ahead over the budget, with a note: a model too large for the budget is better served than refused.
 */
import type { CancelToken } from '../types.ts';

export interface RoomLimits {
  /** 0: no limit. */
  readonly memoryBudget: number;
  /** 0: no limit. */
  readonly maxLoadedModels: number;
}

/** What eviction must know of a ready model. */
export interface Occupant {
  readonly pinned: boolean;
  /** Requests hold it, or live sequences count on its state: it goes last. */
  readonly inUse: boolean;
  readonly lastUsed: number;
}

/** A place in the budget: taken before the load, freed after the close. */
export interface Reservation {
  readonly bytes: number;
  /** The model had to be loaded although the budget was exhausted. */
  readonly overBudget: boolean;
  /** Loaded, but not to be evicted yet: the swap of a reload waits for more versions. */
  standby(): void;
  /** From here on the model may be evicted; `evict` must call `closing` before it returns. */
  ready(occupant: Occupant, evict: () => void): void;
  closing(): void;
  free(): void;
}

export interface RoomRequest {
  readonly model: string;
  readonly bytes: number;
  readonly keep: string | undefined;
}

interface Place {
  readonly model: string;
  readonly bytes: number;
  state: 'loading' | 'standby' | 'ready' | 'closing';
  occupant: Occupant | undefined;
  evict: (() => void) | undefined;
}

export class MemoryRoom {
  readonly #limits: RoomLimits;
  readonly #places = new Set<Place>();
  /** Loads get room one after the other, so that two cannot count on the same free bytes. */
  #turn: Promise<unknown> = Promise.resolve();
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(limits: RoomLimits) {
    this.#limits = limits;
  }

  get usedBytes(): number {
    return sum(this.#places);
  }

  get models(): number {
    return this.#places.size;
  }

  /**
   * Takes a place for `bytes`, evicting others as needed, but none of the model `keep`: a predecessor serves until the swap.
   * Returns undefined when `token` was cancelled while it waited.
   */
  reserve(request: RoomRequest, token: CancelToken): Promise<Reservation | undefined> {
    const reserved = this.#turn.then(() => this.#reserve(request, token));
    this.#turn = reserved.catch(() => {});
    return reserved;
  }

  async #reserve(request: RoomRequest, token: CancelToken): Promise<Reservation | undefined> {
    const { bytes, keep } = request;
    token.onCancel = () => this.#change();
    while (!token.cancelled && !this.#fits(this.#places, bytes)) {
      const staying = [...this.#places].filter((place) => place.state !== 'closing');
      const victim = this.#fits(staying, bytes) ? undefined : this.#pickVictim(keep);
      if (victim !== undefined) victim.evict?.();
      else if (staying.length < this.#places.size || staying.some((place) => place.state === 'loading')) {
        await this.#changed.promise;
      } else break;
    }
    token.onCancel = undefined;
    return token.cancelled ? undefined : this.#take(request);
  }

  #take({ model, bytes }: RoomRequest): Reservation {
    const overBudget = !this.#fits(this.#places, bytes);
    const place: Place = { model, bytes, state: 'loading', occupant: undefined, evict: undefined };
    this.#places.add(place);
    return {
      bytes,
      overBudget,
      standby: () => {
        place.state = 'standby';
        this.#change();
      },
      ready: (occupant, evict) => {
        place.state = 'ready';
        place.occupant = occupant;
        place.evict = evict;
        this.#change();
      },
      closing: () => {
        place.state = 'closing';
        this.#change();
      },
      free: () => {
        this.#places.delete(place);
        this.#change();
      },
    };
  }

  #pickVictim(keep: string | undefined): Place | undefined {
    let victim: Place | undefined;
    for (const place of this.#places) {
      if (place.state !== 'ready' || place.occupant!.pinned || place.model === keep) continue;
      if (victim === undefined || goesBefore(place.occupant!, victim.occupant!)) victim = place;
    }
    return victim;
  }

  #fits(places: Iterable<Place>, bytes: number): boolean {
    const { memoryBudget, maxLoadedModels } = this.#limits;
    const taken = [...places];
    if (maxLoadedModels > 0 && taken.length + 1 > maxLoadedModels) return false;
    return memoryBudget === 0 || sum(taken) + bytes <= memoryBudget;
  }

  #change(): void {
    const { resolve } = this.#changed;
    this.#changed = Promise.withResolvers();
    resolve();
  }
}

function goesBefore(a: Occupant, b: Occupant): boolean {
  if (a.inUse !== b.inUse) return !a.inUse;
  return a.lastUsed < b.lastUsed;
}

function sum(places: Iterable<Place>): number {
  let bytes = 0;
  for (const place of places) bytes += place.bytes;
  return bytes;
}
