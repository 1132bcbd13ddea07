import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../errors.ts';
import {
  type FakeModel,
  type FakeRunner,
  type RegistryWorld,
  registryWorld,
  settle,
} from '../testing/registry-world.ts';
import type { Lease } from './loaded-model.ts';

const names = ['a', 'b', 'c', 'd'];
const budget = 100;
const name = fc.constantFrom(...names);
const version = fc.constantFrom(undefined, '1', '2', 'stable');

const file = fc.record(
  { bytes: fc.integer({ min: 0, max: 70 }), loadError: fc.constant('broken'), probeError: fc.constant('broken') },
  { requiredKeys: ['bytes'] },
);
/** Two thirds of all files are good. */
const model: fc.Arbitrary<FakeModel> = fc.oneof({ weight: 2, arbitrary: file.map(({ bytes }) => ({ bytes })) }, file);

const command = fc.oneof(
  { weight: 6, arbitrary: fc.record({ do: fc.constant('acquire' as const), name, version }) },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('release' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('unload' as const), name, version }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('load' as const), name, version }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('reload' as const), name, force: fc.boolean() }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('write' as const), name, version: fc.constantFrom('1', '2'), model }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('remove' as const), name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('notify' as const), name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 6000 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
);
type Command = typeof command extends fc.Arbitrary<infer T> ? T : never;

/** Runs commands without waiting for what they start, so that everything overlaps with everything. */
class Session {
  readonly world: RegistryWorld;
  readonly leases: Lease<FakeRunner>[] = [];
  readonly running = new Set<Promise<unknown>>();

  constructor() {
    const config = { versionPolicy: 'all', labels: { stable: '1' } } as const;
    const folder = (bytes: number, pinned: boolean) => ({ versions: { 1: { bytes } }, config: { ...config, pinned } });
    const folders = { a: folder(20, true), b: folder(30, false), c: folder(40, false), d: folder(60, false) };
    this.world = registryWorld(folders, { memoryBudget: budget, watch: true });
  }

  run(step: Command): void | Promise<void> {
    const { registry, source, clock } = this.world;
    switch (step.do) {
      case 'acquire':
        return this.#track(
          Promise.resolve(registry.acquire(step.name, step.version)).then((lease) => this.leases.push(lease)),
        );
      case 'release':
        if (this.leases.length > 0) this.leases.splice(step.which % this.leases.length, 1)[0]!.release();
        return;
      case 'unload':
        return this.#track(registry.unload(step.name, step.version));
      case 'load':
        return this.#track(registry.load(step.name, step.version));
      case 'reload':
        return this.#track(registry.reload(step.name, step.force));
      case 'write': {
        const old = source.folders.get(step.name) ?? { versions: {} };
        source.folders.set(step.name, { ...old, versions: { ...old.versions, [step.version]: step.model } });
        return;
      }
      case 'remove':
        source.folders.delete(step.name);
        return;
      case 'notify':
        return source.notify([step.name]);
      case 'wait':
        return clock.advance(step.ms);
      case 'settle':
        return settle();
    }
  }

  /** What must hold at every moment. (The engine itself throws when a version is loaded twice at the same time.) */
  check(): void {
    const { engine, registry } = this.world;
    for (const { model } of this.leases) assert.equal(model.runner.closed, false, 'a leased model was closed');
    assert.ok(engine.openBytes <= registry.usedBytes, 'a model is open that the budget does not know');
    // Over the budget only for a model that says so, or while something moves: a replacement beside its predecessor.
    const noted = registry.snapshot().some(({ loaded }) => loaded?.notes.some((note) => /budget/.test(note)));
    if (!noted && this.#resting) assert.ok(registry.usedBytes <= budget, `${registry.usedBytes} bytes used`);
  }

  get #resting(): boolean {
    return this.running.size === 0 && this.leases.length === 0 && this.world.engine.open.size === this.#readyModels;
  }

  get #readyModels(): number {
    return this.world.registry.snapshot().filter((status) => status.state === 'ready').length;
  }

  async end(): Promise<void> {
    for (let round = 0; this.running.size > 0 && round < 100; round++) {
      while (this.leases.length > 0) this.leases.pop()!.release();
      await settle();
      this.check();
    }
    assert.equal(this.running.size, 0, 'a call hangs');
    while (this.leases.length > 0) this.leases.pop()!.release();
    await this.world.registry.close();
    assert.deepEqual([this.world.engine.open.size, this.world.registry.usedBytes], [0, 0]);
  }

  #track(work: Promise<unknown>): void {
    const tracked: Promise<unknown> = work
      .catch((error: unknown) => {
        assert.ok(error instanceof HotpathError, String(error));
        const expected = ['MODEL_NOT_FOUND', 'MODEL_FAILED'];
        assert.ok(expected.includes(error.code), `${error.code}: ${error.message} ${String(error.cause)}`);
        assert.doesNotMatch(error.message, /internal error/, String((error.cause as Error | undefined)?.stack));
      })
      .then(
        () => this.running.delete(tracked),
        (error) => this.failures.push(error),
      );
    this.running.add(tracked);
  }

  readonly failures: unknown[] = [];
}

it('any order of acquire, release, load, unload, reload and changes keeps leased models open, the budget and one load at a time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 60 }), async (commands) => {
      const session = new Session();
      await session.world.registry.start();
      for (const step of commands) {
        await session.run(step);
        session.check();
        assert.deepEqual(session.failures, []);
      }
      await session.end();
      assert.deepEqual(session.failures, []);
    }),
    { numRuns: Number(process.env.HOTPATH_PROPERTY_RUNS ?? 150) },
  );
});
