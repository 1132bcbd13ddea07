/**
 * A map for keys that are new strings every time. V8 makes each string that is looked up in a Map one of its own unique strings first,
 * which costs more than the rest of a lookup; here a number made of the key's characters is looked up, and the string only compared.
 * Used where every request brings a key: the memory tier and the table of flights.
 */

export interface Keyed {
  readonly key: string;
  /** Belong to the table: the key's number, and the next item of the same bucket. */
  hash: number;
  next: this | undefined;
}

/** Longer keys are looked at in steps, so that hashing stays cheap. */
const hashedCharacters = 64;
const minBuckets = 16;

export class KeyTable<T extends Keyed> {
  readonly #seed: number;
  /** A power of two of them; items whose numbers end alike hang together. */
  #buckets: (T | undefined)[] = emptyBuckets(minBuckets);
  #size = 0;

  /** `seed`: any number, different in every process, so that nobody outside can choose keys with equal numbers. */
  constructor(seed: number) {
    this.#seed = seed | 0;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): T | undefined {
    if (this.#size === 0) return undefined;
    const hash = this.#hash(key);
    let item = this.#buckets[hash & (this.#buckets.length - 1)];
    while (item !== undefined && (item.hash !== hash || item.key !== key)) item = item.next;
    return item;
  }

  /** The key must not be there. */
  add(item: T): void {
    item.hash = this.#hash(item.key);
    // Half empty: a lookup that finds nothing should not have to look at what it does not want.
    if (2 * this.#size >= this.#buckets.length) this.#grow();
    this.#hang(item);
    this.#size++;
  }

  /** The very item must be there. */
  remove(item: T): void {
    const index = item.hash & (this.#buckets.length - 1);
    let before = this.#buckets[index]!;
    if (before === item) {
      this.#buckets[index] = item.next;
    } else {
      while (before.next !== item) before = before.next!;
      before.next = item.next;
    }
    item.next = undefined;
    this.#size--;
  }

  clear(): void {
    this.#buckets = emptyBuckets(minBuckets);
    this.#size = 0;
  }

  #hang(item: T): void {
    const index = item.hash & (this.#buckets.length - 1);
    item.next = this.#buckets[index];
    this.#buckets[index] = item;
  }

  #grow(): void {
    const old = this.#buckets;
    this.#buckets = emptyBuckets(2 * old.length);
    for (let item of old) {
      while (item !== undefined) {
        const { next }: T = item;
        this.#hang(item);
        item = next;
      }
    }
  }

  #hash(key: string): number {
    const { length } = key;
    const stride = length <= hashedCharacters ? 1 : Math.ceil(length / hashedCharacters);
    let hash = this.#seed ^ length;
    for (let index = 0; index < length; index += stride) {
      hash = Math.imul(hash ^ key.charCodeAt(index), 0x5bd1e995);
      hash ^= hash >>> 15;
    }
    return hash;
  }
}

function emptyBuckets<T>(count: number): (T | undefined)[] {
  return new Array<T | undefined>(count).fill(undefined);
}
