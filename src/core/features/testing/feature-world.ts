/** A FeatureCache with everything around it made up: clock, source, memory, tiers. For tests. */
import type { CacheEntry, CacheStore, StoredValue } from '../../../ports/cache-store.ts';
import type { FeatureRow, FeatureSource, FeaturesConfig } from '../../../ports/feature-source.ts';
import type { MemoryEntry } from '../../cache/memory-tier.ts';
import { SimulatedClock } from '../../simulated-clock.ts';
import type { TensorSpec } from '../../tensor.ts';
import { FeatureCache } from '../feature-cache.ts';

const inputs: readonly TensorSpec[] = [{ name: 'age', datatype: 'float32', shape: [-1, 1] }];

/** A source that answers when it is told to, or at once. */
export class FakeSource implements FeatureSource {
  readonly calls: (readonly string[])[] = [];
  readonly pending: PromiseWithResolvers<readonly (FeatureRow | undefined)[]>[] = [];
  maxBatch = 100;
  answer: ((entities: readonly string[]) => readonly (FeatureRow | undefined)[]) | undefined;

  fetchMany(entities: readonly string[]): Promise<readonly (FeatureRow | undefined)[]> {
    this.calls.push(entities);
    if (this.answer !== undefined) {
      const { answer } = this;
      return (async () => answer(entities))();
    }
    const call = Promise.withResolvers<readonly (FeatureRow | undefined)[]>();
    this.pending.push(call);
    return call.promise;
  }

  async close(): Promise<void> {}
}

export class MapMemory {
  readonly entries = new Map<string, MemoryEntry>();

  get(key: string, nowMs: number): MemoryEntry | undefined {
    const entry = this.entries.get(key);
    return entry === undefined || nowMs >= entry.expiresMs ? undefined : entry;
  }

  set(key: string, entry: MemoryEntry): void {
    this.entries.set(key, entry);
  }
}

export class FakeStore implements CacheStore {
  readonly tier = 'redis';
  readonly entries = new Map<string, CacheEntry>();
  reads = 0;
  mode: 'works' | 'hangs' | 'rejects' | 'throws' = 'works';

  getMany(keys: readonly string[]): Promise<readonly (StoredValue | undefined)[]> {
    this.reads++;
    if (this.mode === 'throws') throw new Error('gone');
    if (this.mode === 'rejects') return Promise.reject(new Error('gone'));
    if (this.mode === 'hangs') return new Promise(() => {});
    return Promise.resolve(keys.map((key) => this.entries.get(key)));
  }

  async setMany(entries: readonly CacheEntry[]): Promise<void> {
    for (const entry of entries) this.entries.set(entry.key, entry);
  }

  async deletePrefix(): Promise<number> {
    return 0;
  }

  async close(): Promise<void> {}
}

interface WorldOptions extends Partial<FeaturesConfig> {
  readonly stores?: readonly CacheStore[];
  readonly random?: () => number;
  readonly memory?: MapMemory;
}

export function world({ stores = [], random = () => 0, memory = new MapMemory(), ...config }: WorldOptions = {}) {
  const clock = new SimulatedClock(1000);
  const source = new FakeSource();
  const logged: string[] = [];
  const log = (_: object, message: string) => void logged.push(message);
  const cache = new FeatureCache({
    model: 'm',
    config: { source: 'http://a.test', key: '/{entity}', ...config },
    inputs,
    source,
    memory,
    stores,
    storeTimeoutMs: 25,
    clock,
    random,
    logger: { debug: log, info: log, warn: log, error: log },
  });
  const ask = async (...entities: string[]) => cache.getMany(entities, undefined, undefined);
  return { clock, source, memory, cache, ask, logged };
}

type World = ReturnType<typeof world>;

/** Lets promises and deferred calls happen that are due without any time passing. */
export async function settle({ clock }: World): Promise<void> {
  for (let turn = 0; turn < 10; turn++) {
    clock.flush();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

export async function pass(at: World, ms: number): Promise<void> {
  await settle(at);
  at.clock.advance(ms);
  await settle(at);
}

export const ages = (entities: readonly string[]): FeatureRow[] => entities.map((entity) => ({ age: entity.length }));

export async function answered(at: World, asked: Promise<readonly (FeatureRow | undefined)[]>): Promise<unknown> {
  await settle(at);
  return (await asked).map((row) => (row === undefined ? undefined : { ...row }));
}
