/**
 * The process's cache of answers: owns the tiers' guards, the write buffer and the keyspaces, puts a cached runner before a model's
 * own, and drops what is no longer to be given. Made and closed by the composition root, which also owns the stores.
 */
import type { CacheConfig } from '../../ports/cache-config.ts';
import type { CacheStore, FarTier, Invalidation, InvalidationBus } from '../../ports/cache-store.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import type { BreakerState } from '../breaker.ts';
import { literalStart, matchesPattern } from '../name-pattern.ts';
import type { Runner } from '../runner.ts';
import type { ModelView } from '../types.ts';
import { contentPrefix, escapeName, farNamePrefix, farPrefixOf, memoryPrefixLength } from './cache-key.ts';
import { type CacheSettings, cacheSettings } from './cache-settings.ts';
import { CachedRunner } from './cached-runner.ts';
import { GuardedStore } from './guarded-store.ts';
import type { KeyDigest } from './key-digest.ts';
import type { MemoryTier, MemoryTierStatus } from './memory-tier.ts';
import { ModelCache } from './model-cache.ts';
import { type Space, Spaces } from './spaces.ts';
import { WriteBuffer, type WriteBufferStatus } from './write-buffer.ts';

export interface ResponseCacheOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly digest: KeyDigest;
  readonly logger: Logger;
  /** Shared with other users; undefined: none. */
  readonly memory: MemoryTier | undefined;
  /** At most one of each tier. */
  readonly stores: readonly CacheStore[];
  readonly bus: InvalidationBus | undefined;
  /** Longest wait of a request for one tier beyond memory. */
  readonly timeoutMs: number;
}

export interface WrapOptions {
  readonly view: ModelView;
  /** Of the file and of everything in the configuration that changes answers. */
  readonly contentHash: string;
  readonly config: CacheConfig;
  readonly sloMs: number;
  readonly telemetry: ModelTelemetry;
}

export interface InvalidationReport {
  /** Entries dropped here, and in the tiers beyond memory. */
  readonly memory: number;
  readonly far: Readonly<Partial<Record<FarTier, number>>>;
  /** What could not be reached: its entries live on to their end. */
  readonly failed: readonly (FarTier | 'announcement')[];
}

export interface ResponseCacheStatus {
  readonly memory: MemoryTierStatus | undefined;
  readonly tiers: readonly { readonly tier: FarTier; readonly breaker: BreakerState }[];
  readonly writeBuffer: WriteBufferStatus;
  readonly models: readonly CachedModelStatus[];
}

export interface CachedModelStatus {
  readonly model: string;
  readonly version: string;
  readonly loaded: boolean;
  /** In memory. */
  readonly entries: number;
  readonly bytes: number;
}

/** Before a store is cleared, writes that were begun must have arrived. */
const writesLimitMs = 1000;

export class ResponseCache {
  readonly #options: ResponseCacheOptions;
  readonly #stores: readonly GuardedStore[];
  readonly #writer: WriteBuffer;
  readonly #spaces: Spaces;
  #closed: Promise<void> | undefined;

  constructor(options: ResponseCacheOptions) {
    this.#options = options;
    this.#stores = options.stores.map((store) => new GuardedStore(store, options.clock, options.timeoutMs));
    this.#writer = new WriteBuffer(options.clock);
    this.#spaces = new Spaces(options.digest);
    options.bus?.onInvalidation((invalidation) => void this.#dropMemory(invalidation));
  }

  /** With defaults, without the tiers this server does not have; `notes` say which. */
  settings(config: CacheConfig): CacheSettings {
    return cacheSettings(config, {
      memory: this.#options.memory !== undefined,
      far: this.#stores.map(({ tier }) => tier),
      leases: this.#stores.some(({ tier, leases }) => tier === 'redis' && leases !== undefined),
    });
  }

  /** `inner` itself when no tier is left. Never for stateful models or pipelines. */
  wrap(inner: Runner, { view, contentHash, config, sloMs, telemetry }: WrapOptions): Runner {
    const settings = this.settings(config);
    if (!settings.memory && settings.farTiers.length === 0) return inner;
    const { clock, random, memory } = this.#options;
    const space: Space = this.#spaces.acquire({
      model: view.name,
      version: view.version,
      contentHash,
      inputs: view.signature.inputs,
      rowwise: view.batchable,
    });
    const cache = new ModelCache({
      space,
      settings,
      signature: view.signature,
      clock,
      random,
      telemetry,
      memory: settings.memory ? memory : undefined,
      far: settings.farTiers.map((tier) => this.#stores.find((store) => store.tier === tier)!),
      writer: this.#writer,
    });
    return new CachedRunner({ inner, cache, sloMs, onClose: () => this.#spaces.release(space) });
  }

  /** Everywhere: here, in the tiers beyond memory, and in the other processes' memory. Never rejects; the report says what failed. */
  async invalidate(invalidation: Invalidation): Promise<InvalidationReport> {
    const memory = this.#dropMemory(invalidation);
    return this.#dropFar(memory, this.#farPrefix(invalidation), invalidation);
  }

  /** After a version was loaded from a changed file: the entries of the old one, which no key leads to any more. Never rejects. */
  async invalidateReplaced(model: string, version: string, oldContentHash: string): Promise<InvalidationReport> {
    const memory = this.#spaces.drop((identity) => {
      return identity.model === model && identity.version === version && identity.contentHash === oldContentHash;
    }, this.#options.memory);
    const prefix = contentPrefix(model, version, oldContentHash, this.#options.digest);
    return this.#dropFar(memory, prefix, { model, version });
  }

  /** Until the returned function is called, every new answer of the version is worth a place in memory. Call it in any case. */
  warming(model: string, version: string): () => void {
    const spaces = this.#spaces.all().filter(({ keyspace: { identity }, runners }) => {
      return runners > 0 && identity.model === model && identity.version === version;
    });
    for (const space of spaces) space.warmUps++;
    let warming = true;
    return () => {
      if (warming) for (const space of spaces) space.warmUps--;
      warming = false;
    };
  }

  /** Under memory pressure: half of the memory tier goes, the least recently used first. */
  relieve(): void {
    const { memory } = this.#options;
    memory?.shrinkTo(Math.floor(memory.status().bytes / 2));
  }

  /** For people: looks at every key in memory. */
  status(): ResponseCacheStatus {
    const { memory } = this.#options;
    const usage = memory?.usageByPrefix(memoryPrefixLength);
    const models = this.#spaces.all().map(({ keyspace, runners }) => {
      const { model, version } = keyspace.identity;
      const { entries, bytes } = usage?.get(keyspace.memoryPrefix) ?? { entries: 0, bytes: 0 };
      return { model, version, loaded: runners > 0, entries, bytes };
    });
    const tiers = this.#stores.map(({ tier, breaker }) => ({ tier, breaker }));
    return { memory: memory?.status(), tiers, writeBuffer: this.#writer.status(), models };
  }

  /** Writes what waits to be written. The runners are closed before, by the registry; the stores after, by their owner. */
  close(): Promise<void> {
    this.#closed ??= this.#flush();
    return this.#closed;
  }

  async #flush(): Promise<void> {
    // Answers given in this turn are written at its end.
    await new Promise<void>((resolve) => this.#options.clock.defer(resolve));
    await this.#writer.flush();
    await Promise.all(this.#stores.map((store) => store.settled(writesLimitMs)));
  }

  #dropMemory({ model, version }: Invalidation): number {
    return this.#spaces.drop(
      (identity) =>
        matchesPattern(model, identity.model) && (version === undefined || matchesPattern(version, identity.version)),
      this.#options.memory,
    );
  }

  /** After a pattern's first `*` a store cannot look: it drops whatever begins as the pattern does. */
  #farPrefix({ model, version }: Invalidation): string {
    const { digest } = this.#options;
    const modelStart = literalStart(model);
    if (modelStart !== undefined) return farNamePrefix(modelStart);
    const versionStart = version === undefined ? '' : literalStart(version);
    if (versionStart === undefined) return farPrefixOf(model, version, digest);
    return `${farPrefixOf(model, undefined, digest)}${escapeName(versionStart)}`;
  }

  async #dropFar(memory: number, prefix: string, announced: Invalidation): Promise<InvalidationReport> {
    const far: Partial<Record<FarTier, number>> = {};
    const failed: (FarTier | 'announcement')[] = [];
    const attempt = async <T>(name: FarTier | 'announcement', act: () => Promise<T>): Promise<T | undefined> => {
      try {
        return await act();
      } catch (error) {
        failed.push(name);
        this.#options.logger.warn(
          { err: error, tier: name, model: announced.model },
          'cached answers could not be dropped',
        );
        return undefined;
      }
    };
    const dropped = await Promise.all(
      this.#stores.map((guarded) =>
        attempt(guarded.tier, async () => {
          // What was on its way before the memory was dropped would arrive after.
          await guarded.settled(writesLimitMs);
          return guarded.store.deletePrefix(prefix);
        }),
      ),
    );
    for (const [index, { tier }] of this.#stores.entries()) {
      if (dropped[index] !== undefined) far[tier] = dropped[index];
    }
    // Last: who hears of it looks into the stores next.
    const { bus } = this.#options;
    if (bus !== undefined) await attempt('announcement', () => bus.publish(announced));
    return { memory, far, failed };
  }
}
