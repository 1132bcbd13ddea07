/**
 * The memory tier: an LRU bounded in bytes. One per process; made by the composition root. Its sizes are what entries cost the heap,
 * not only their data, so that the configured bytes are what the process grows by. Expiry stands in the entries: no clock here.
 * Its own list and table because keys are new strings every time: a lookup in the usual LRU over a Map takes three times as long.
 */
import { randomInt } from 'node:crypto';
import { type Keyed, KeyTable } from '../../core/cache/key-table.ts';
import type { MemoryEntry, MemoryTier, MemoryTierStatus, MemoryUsage } from '../../core/cache/memory-tier.ts';

/** Entry object, its place in the table and in the list, and the key's own header; measured over a hundred thousand entries. */
const entryOverheadBytes = 200;

class Node implements Keyed {
  readonly key: string;
  readonly bytes: number;
  entry: MemoryEntry | undefined;
  hash = 0;
  next: this | undefined = undefined;
  older: Node;
  newer: Node;

  constructor(key: string, entry: MemoryEntry | undefined, bytes: number) {
    this.key = key;
    this.entry = entry;
    this.bytes = bytes;
    this.older = this;
    this.newer = this;
  }
}

export class MemoryCache implements MemoryTier {
  readonly #maxBytes: number;
  readonly #table: KeyTable<Node>;
  /** Stands between the newest and the oldest: its `newer` is the oldest, its `older` the newest. */
  readonly #ends = new Node('', undefined, 0);
  #bytes = 0;
  #evictions = 0;

  /** @throws RangeError unless `maxBytes` is a positive integer. */
  constructor(maxBytes: number, seed = randomInt(2 ** 31)) {
    if (!Number.isSafeInteger(maxBytes) || maxBytes <= 0) throw new RangeError('maxBytes must be a positive integer.');
    this.#maxBytes = maxBytes;
    this.#table = new KeyTable(seed);
  }

  get(key: string, nowMs: number): MemoryEntry | undefined {
    const node = this.#table.get(key);
    if (node === undefined) return undefined;
    if (node.entry!.expiresMs <= nowMs) {
      this.#remove(node);
      return undefined;
    }
    if (this.#ends.older !== node) {
      unlink(node);
      this.#link(node);
    }
    return node.entry;
  }

  set(key: string, entry: MemoryEntry): void {
    const bytes = entryOverheadBytes + key.length + entry.sizeBytes;
    if (bytes > this.#maxBytes) return;
    this.delete(key);
    this.#shrink(this.#maxBytes - bytes, true);
    const node = new Node(key, entry, bytes);
    this.#table.add(node);
    this.#link(node);
    this.#bytes += bytes;
  }

  delete(key: string): void {
    const node = this.#table.get(key);
    if (node !== undefined) this.#remove(node);
  }

  deletePrefix(prefix: string): number {
    let dropped = 0;
    let node = this.#ends.newer;
    while (node !== this.#ends) {
      const { newer } = node;
      if (node.key.startsWith(prefix)) {
        this.#remove(node);
        dropped++;
      }
      node = newer;
    }
    return dropped;
  }

  clear(): void {
    this.#table.clear();
    this.#ends.newer = this.#ends;
    this.#ends.older = this.#ends;
    this.#bytes = 0;
  }

  shrinkTo(bytes: number): void {
    this.#shrink(bytes, false);
  }

  status(): MemoryTierStatus {
    return {
      entries: this.#table.size,
      bytes: this.#bytes,
      maxBytes: this.#maxBytes,
      evictions: this.#evictions,
    };
  }

  usageByPrefix(length: number): ReadonlyMap<string, MemoryUsage> {
    const usage = new Map<string, { entries: number; bytes: number }>();
    for (let node = this.#ends.newer; node !== this.#ends; node = node.newer) {
      const prefix = node.key.slice(0, length);
      const sum = usage.get(prefix) ?? { entries: 0, bytes: 0 };
      usage.set(prefix, sum);
      sum.entries++;
      sum.bytes += node.bytes;
    }
    return usage;
  }

  #shrink(bytes: number, counted: boolean): void {
    while (this.#bytes > bytes && this.#ends.newer !== this.#ends) {
      this.#remove(this.#ends.newer);
      if (counted) this.#evictions++;
    }
  }

  #link(node: Node): void {
    const ends = this.#ends;
    node.older = ends.older;
    node.newer = ends;
    ends.older.newer = node;
    ends.older = node;
  }

  #remove(node: Node): void {
    this.#table.remove(node);
    unlink(node);
    // A node that has grown old before it went would keep its younger neighbours, and they theirs, until the next full collection.
    node.older = node;
    node.newer = node;
    node.entry = undefined;
    this.#bytes -= node.bytes;
  }
}

function unlink({ older, newer }: Node): void {
  older.newer = newer;
  newer.older = older;
}
