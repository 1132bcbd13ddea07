/**
 * What is cached of one loaded version: looks rows up and keeps them, in memory and in the tiers beyond. Knows lifetimes, sizes and
 * write policies; of flights and callers nothing. Used by the cached runner; made by the response cache.
 */
import type { CacheEntry, FarTier } from '../../ports/cache-store.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import type { Signature, Tensor } from '../tensor.ts';
import { decodeTensors, encodeTensors } from '../tensor-codec.ts';
import type { CacheSettings } from './cache-settings.ts';
import { dataBytes, heldBytes } from './cached-rows.ts';
import { Doorkeeper } from './doorkeeper.ts';
import type { GuardedStore } from './guarded-store.ts';
import type { MemoryEntry, MemoryTier } from './memory-tier.ts';
import type { Space } from './spaces.ts';
import type { WriteBuffer } from './write-buffer.ts';

export interface ModelCacheOptions {
  readonly space: Space;
  readonly settings: CacheSettings;
  readonly signature: Signature;
  readonly clock: Clock;
  readonly random: Random;
  readonly telemetry: ModelTelemetry;
  /** Undefined when the model does not use it. */
  readonly memory: MemoryTier | undefined;
  /** In the order they are asked. */
  readonly far: readonly GuardedStore[];
  readonly writer: WriteBuffer;
}

/** A row found beyond memory. */
export interface FarRow {
  readonly outputs: readonly Tensor[];
  readonly tier: FarTier;
  readonly stale: boolean;
}

/** A row to be kept. */
export interface NewRow {
  readonly memoryKey: string;
  readonly farKey: string | undefined;
  readonly outputs: readonly Tensor[];
}

/** Nobody waits for these. */
const asideTimeoutMs = 1000;

export class ModelCache {
  readonly options: ModelCacheOptions;
  readonly far: readonly GuardedStore[];
  readonly #memory: MemoryTier | undefined;
  readonly #space: Space;
  readonly #doorkeeper = new Doorkeeper();

  constructor(options: ModelCacheOptions) {
    this.options = options;
    this.far = options.far;
    this.#memory = options.memory;
    this.#space = options.space;
  }

  get generation(): number {
    return this.#space.generation;
  }

  /** The value is a complete answer for the row alone. */
  lookup(memoryKey: string, nowMs: number): MemoryEntry<BatchAnswer> | undefined {
    const entry = this.#memory?.get(memoryKey, nowMs) as MemoryEntry<BatchAnswer> | undefined;
    if (this.#space.warmUps === 0) this.#doorkeeper.count(entry !== undefined);
    return entry;
  }

  storable(outputs: readonly Tensor[]): boolean {
    return dataBytes(outputs) <= this.options.settings.maxValueBytes;
  }

  get keepsInMemory(): boolean {
    return this.#memory !== undefined;
  }

  /** Whether memory wants a new answer: once per row, before it is copied. Always, where there is no memory to be spared. */
  admits(memoryKey: string): boolean {
    return this.#memory === undefined || this.#space.warmUps > 0 || this.#doorkeeper.admits(memoryKey);
  }

  /** How long a new answer is fresh. */
  lifetimeMs(): number {
    const { settings, random } = this.options;
    return settings.ttlMs * (1 - settings.jitter * random());
  }

  /** Takes `outputs` over: they are shared and never changed from now on. Nothing happens after an invalidation. */
  keepInMemory(memoryKey: string, outputs: readonly Tensor[], lifetimeMs: number, generation: number): void {
    if (this.#memory === undefined || generation !== this.#space.generation) return;
    const freshUntilMs = this.options.clock.now() + lifetimeMs;
    const value: BatchAnswer = {
      outputs,
      queueMs: 0,
      batchMs: 0,
      inferMs: 0,
      batchRows: 0,
      release: 'cached',
      cache: 'memory',
    };
    const expiresMs = freshUntilMs + this.options.settings.staleMs;
    this.#memory.set(memoryKey, { value, sizeBytes: heldBytes(outputs), freshUntilMs, expiresMs });
  }

  /** After a renewal failed: the stale entry is left alone for a while. */
  postponeRenewal(memoryKey: string, delayMs: number): void {
    const nowMs = this.options.clock.now();
    const entry = this.lookup(memoryKey, nowMs);
    if (entry === undefined || entry.freshUntilMs > nowMs) return;
    this.#memory?.set(memoryKey, { ...entry, freshUntilMs: Math.min(nowMs + delayMs, entry.expiresMs) });
  }

  /** Resolves when the policy lets the answer go. Never rejects. `generation` is that of the moment the rows were begun. */
  async keep(rows: readonly NewRow[], generation: number): Promise<void> {
    const kept: (NewRow & { readonly ttlMs: number })[] = [];
    for (const row of rows) {
      if (!this.storable(row.outputs)) continue;
      const lifetimeMs = this.lifetimeMs();
      if (this.keepsInMemory && this.admits(row.memoryKey))
        this.keepInMemory(row.memoryKey, row.outputs, lifetimeMs, generation);
      kept.push({ ...row, ttlMs: lifetimeMs + this.options.settings.staleMs });
    }
    if (this.far.length === 0 || kept.length === 0) return;
    const write = () => this.#write(this.far, encodeEntries(kept), generation);
    if (this.options.settings.write === 'through') await write();
    // At the end of the turn, when the answer is on its way.
    else this.options.clock.defer(write);
  }

  /**
   * Asks the tiers in order, each for what is still missing, and writes what is found into memory and the tiers before. By position;
   * undefined: nobody has it. Never rejects.
   */
  async readFar(
    memoryKeys: readonly string[],
    farKeys: readonly string[],
    generation: number,
  ): Promise<(FarRow | undefined)[]> {
    const found = new Array<FarRow | undefined>(farKeys.length).fill(undefined);
    for (let index = 0; index < this.far.length; index++) {
      const positions = positionsMissing(found);
      if (positions.length === 0) break;
      await this.readTier(this.far[index]!, memoryKeys, farKeys, positions, found, generation);
    }
    return found;
  }

  /** One round trip; fills `found` at those of `positions` the tier has. */
  async readTier(
    store: GuardedStore,
    memoryKeys: readonly string[],
    farKeys: readonly string[],
    positions: readonly number[],
    found: (FarRow | undefined)[],
    generation: number,
  ): Promise<void> {
    const asked = positions.map((position) => farKeys[position]!);
    const values = await store.read(asked, this.options.telemetry);
    if (values === undefined) return;
    const repairs: CacheEntry[] = [];
    for (let index = 0; index < positions.length; index++) {
      const stored = values[index];
      const outputs = stored === undefined ? undefined : this.#decode(stored.value);
      if (stored === undefined || outputs === undefined) continue;
      const position = positions[index]!;
      const freshMs = stored.ttlMs - this.options.settings.staleMs;
      found[position] = { outputs, tier: store.tier, stale: freshMs <= 0 };
      this.keepInMemory(memoryKeys[position]!, outputs, freshMs, generation);
      repairs.push({ key: asked[index]!, value: stored.value, ttlMs: stored.ttlMs });
    }
    const before = this.far.slice(0, this.far.indexOf(store));
    if (repairs.length > 0 && before.length > 0) this.#repair(before, repairs, generation);
  }

  /** Resolves as the policy says. */
  async #write(stores: readonly GuardedStore[], entries: readonly CacheEntry[], generation: number): Promise<void> {
    if (generation !== this.#space.generation) return;
    const { settings, telemetry, writer } = this.options;
    if (settings.write === 'through') {
      await Promise.all(stores.map((store) => store.write(entries, telemetry)));
    } else if (settings.write === 'aside') {
      for (const store of stores) void store.write(entries, telemetry, asideTimeoutMs);
    } else {
      const wanted = () => generation === this.#space.generation;
      for (const store of stores) for (const entry of entries) writer.add({ store, entry, telemetry, wanted });
    }
  }

  /** Into the tiers before the one that had them. */
  #repair(stores: readonly GuardedStore[], entries: readonly CacheEntry[], generation: number): void {
    const { clock, telemetry } = this.options;
    clock.defer(() => {
      if (generation !== this.#space.generation) return;
      for (const store of stores) void store.write(entries, telemetry, asideTimeoutMs);
    });
  }

  /** Stores are foreign ground: what does not look like an answer of this model is a miss. */
  #decode(value: Uint8Array): Tensor[] | undefined {
    const outputs = decodeTensors(value);
    const { signature, space } = this.options;
    if (outputs?.length !== signature.outputs.length) return undefined;
    for (let index = 0; index < outputs.length; index++) {
      if (outputs[index]!.datatype !== signature.outputs[index]!.datatype) return undefined;
      if (space.keyspace.identity.rowwise && outputs[index]!.shape[0] !== 1) return undefined;
    }
    return outputs;
  }
}

export function positionsMissing(found: readonly (FarRow | undefined)[]): number[] {
  const positions: number[] = [];
  for (let index = 0; index < found.length; index++) if (found[index] === undefined) positions.push(index);
  return positions;
}

function encodeEntries(rows: readonly (NewRow & { readonly ttlMs: number })[]): CacheEntry[] {
  const entries: CacheEntry[] = [];
  for (const { farKey, outputs, ttlMs } of rows) {
    if (farKey === undefined) continue;
    entries.push({ key: farKey, value: encodeTensors(outputs), ttlMs: Math.max(1, Math.round(ttlMs)) });
  }
  return entries;
}
