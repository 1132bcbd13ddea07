/**
 * The keyspaces of this process: one per content that was ever loaded, so that entries outlive an eviction of their model. Forgotten
 * once they were invalidated while no runner used them. Owned by the response cache.
 */
import { answerPrefix, Keyspace, type KeyspaceIdentity } from './cache-key.ts';
import type { KeyDigest } from './key-digest.ts';
import type { MemoryTier } from './memory-tier.ts';

/** Shared by all runners of the same content, for instance before and after an eviction. */
export interface Space {
  readonly keyspace: Keyspace;
  /** Raised by every invalidation: what was begun before is not kept after. */
  generation: number;
  /** Warm-ups that fill it now. */
  warmUps: number;
  /** Runners that use it now. */
  runners: number;
}

export class Spaces {
  readonly #digest: KeyDigest;
  readonly #spaces = new Map<string, Space>();
  #nextId = 1;

  constructor(digest: KeyDigest) {
    this.#digest = digest;
  }

  /** For one more runner; it gives it back with `release`. */
  acquire(identity: KeyspaceIdentity): Space {
    const key = identityKey(identity);
    let space = this.#spaces.get(key);
    if (space === undefined) {
      space = { keyspace: new Keyspace(identity, this.#nextId++, this.#digest), generation: 0, warmUps: 0, runners: 0 };
      this.#spaces.set(key, space);
    }
    space.runners++;
    return space;
  }

  /** Its entries stay: the same content may be loaded again. */
  release(space: Space): void {
    space.runners--;
  }

  all(): readonly Space[] {
    return [...this.#spaces.values()];
  }

  /** Drops the entries of those that match, and what is being computed for them is not kept. Returns how many entries. */
  drop(matches: (identity: KeyspaceIdentity) => boolean, memory: MemoryTier | undefined): number {
    const dropped = this.all().filter(({ keyspace }) => matches(keyspace.identity));
    const everything = dropped.length > 1 && dropped.length === this.#spaces.size;
    let entries = everything ? (memory?.deletePrefix(answerPrefix) ?? 0) : 0;
    for (const space of dropped) {
      space.generation++;
      if (!everything) entries += memory?.deletePrefix(space.keyspace.memoryPrefix) ?? 0;
      // A runner's own space stays, or two runners of one content could not share.
      if (space.runners === 0) this.#spaces.delete(identityKey(space.keyspace.identity));
    }
    return entries;
  }
}

function identityKey({ model, version, contentHash, inputs, rowwise }: KeyspaceIdentity): string {
  const signature = inputs.map(({ name, datatype }) => [name, datatype]);
  return JSON.stringify([model, version, contentHash, signature, rowwise]);
}
