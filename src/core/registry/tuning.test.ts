/** Tuned settings in a load: what they replace, what wins over them, and what is said. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ModelConfig } from '../../ports/model-source.ts';
import type { ModelTuning, TunedSettings } from '../../ports/tuning.ts';
import { registryWorld } from '../testing/registry-world.ts';

/** The digest of a fake file is its text. */
const file = { fixedMs: 20, perRowMs: 5 };
const settings: TunedSettings = {
  instances: 4,
  intraOpThreads: 1,
  maxBatchSize: 8,
  graphOptimizationLevel: 'extended',
  executionProvider: 'cpu',
};

function tuningOf(over: Partial<TunedSettings> = {}, modelDigest = JSON.stringify(file), sloMs = 1000): ModelTuning {
  const machine = { cpu: 'x', cores: 4, runtime: 'y' };
  const entry = { ...machine, modelDigest, settings: { ...settings, ...over }, sloMs, tunedAt: '2026-01-31T12:00:00Z' };
  return { entries: [entry], others: false };
}

async function load(tuning: ModelTuning | undefined, config: ModelConfig = {}, cores = 4) {
  const world = registryWorld({ m: { versions: { 1: file }, config, ...(tuning && { tuning }) } }, { cores });
  const { loaded } = await world.registry.load('m');
  const { spec } = world.engine.history[0]!;
  await world.registry.close();
  return {
    threads: `${spec.instances} x ${spec.intraOpThreads}`,
    batch: loaded!.batching.maxBatchSize,
    level: spec.sessionOptions?.graphOptimizationLevel,
    fallbackToCpu: spec.fallbackToCpu,
    notes: loaded!.notes,
  };
}

describe('a tuned model', () => {
  it('runs with the settings of its entry and says so', async () => {
    const untuned = await load(undefined);
    assert.equal(untuned.threads, '1 x 4');
    const tuned = await load(tuningOf());
    assert.deepEqual([tuned.threads, tuned.batch, tuned.level], ['4 x 1', 8, 'extended']);
    assert.deepEqual(tuned.notes, [
      'Tuned on 2026-01-31 for an SLO of 1000 ms: 4 instances x 1 thread, batches up to 8, graph optimization extended.',
    ]);
  });

  it('lets every field of model.json win', async () => {
    const { threads, batch, level } = await load(tuningOf(), {
      instances: 4,
      intraOpThreads: 1,
      maxBatchSize: 2,
      sessionOptions: { graphOptimizationLevel: 'basic' },
    });
    assert.deepEqual([threads, batch, level], ['4 x 1', 2, 'basic']);
  });

  it('uses neither instances nor threads where model.json says something else of one', async () => {
    const { threads, notes } = await load(tuningOf(), { instances: 2 });
    assert.equal(threads, '2 x 2');
    assert.match(notes[0]!, /ms: batches up to 8, graph/);
  });

  it('never takes more than the cores', async () => {
    assert.equal((await load(tuningOf({ instances: 8, intraOpThreads: 2 }), {}, 2)).threads, '2 x 1');
  });

  it('does not depend on a provider that may be missing elsewhere', async () => {
    assert.equal((await load(tuningOf({ executionProvider: 'cuda' }))).fallbackToCpu, true);
    assert.equal((await load(tuningOf({ executionProvider: 'cuda' }), { fallbackToCpu: false })).fallbackToCpu, false);
  });

  it('derives its batch where the SLO is much shorter than the one it was tuned for', async () => {
    const { batch, notes } = await load(tuningOf({ maxBatchSize: 128 }), { sloMs: 200 });
    assert.equal(batch, (await load(undefined, { sloMs: 200 })).batch);
    assert.match(notes.join(' '), /SLO is much shorter than the one it was tuned for/);
    assert.equal((await load(tuningOf({ maxBatchSize: 16 }), { sloMs: 600 })).batch, 16);
  });

  it('is as any other when the file was measured elsewhere, with another file, or is broken, and says why', async () => {
    const untuned = await load(undefined);
    const other = await load(tuningOf({}, 'another digest'));
    assert.deepEqual([other.threads, other.batch], [untuned.threads, untuned.batch]);
    assert.deepEqual(other.notes, ['tuning.json is not used: its settings were measured with another model file.']);
    const elsewhere = await load({ entries: [], others: true });
    assert.match(elsewhere.notes[0]!, /measured with another machine, runtime or number of cores/);
    const broken = await load({
      entries: [],
      others: false,
      problem: 'tuning.json is not used: it is not valid JSON.',
    });
    assert.deepEqual(broken.notes, ['tuning.json is not used: it is not valid JSON.']);
    assert.deepEqual((await load({ entries: [], others: false })).notes, []);
  });
});

describe('a changed tuning.json', () => {
  it('is a change of the model: a reload takes it over, and leaves alone what is the same', async () => {
    const { registry, source, engine } = registryWorld({ m: { versions: { 1: file } } });
    await registry.load('m');
    source.folders.set('m', { versions: { 1: file }, tuning: tuningOf() });
    const [status] = await registry.reload('m');
    assert.equal(status!.loaded!.instances, 4);
    assert.equal(engine.history.length, 2);
    await registry.reload('m');
    assert.equal(engine.history.length, 2);
    await registry.close();
  });
});
