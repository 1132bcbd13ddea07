import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineInstance } from '../../ports/engine.ts';
import type { PipelineConfig } from '../../ports/model-source.ts';
import type { TritonModelConfig } from '../../ports/triton-config.ts';
import { HotpathError } from '../errors.ts';
import type { Signature, Tensor } from '../tensor.ts';
import { type FakeFolder, FakeSource, registryWorld } from '../testing/registry-world.ts';
import { runDeclaredWarmUps } from './declared-warm-up.ts';

/** The models of the fake engine: x float32 [?, 4] -> y float32 [?, 1]. */
function declaring(changes: Partial<TritonModelConfig> = {}): FakeFolder {
  const triton: TritonModelConfig = {
    name: 'a',
    kind: 'onnx',
    maxBatchSize: 8,
    inputs: [],
    outputs: [],
    modelFile: 'model.onnx',
    warmup: [],
    responseCache: false,
    decoupled: false,
    parameters: {},
    written: {},
    ...changes,
  };
  return { versions: { 1: { bytes: 1 } }, triton };
}

const input = (dims: readonly number[]): TritonModelConfig['inputs'][number] => {
  const shape = [-1, ...dims];
  return { name: 'x', datatype: 'float32', dims, clientShape: shape, modelShape: shape, optional: false };
};

const pipeline = (...models: string[]): FakeFolder => {
  const steps = models.map((model, index) => ({
    model,
    inputs: { x: 'x' },
    outputs: { y: index === 0 ? 'y' : `y${index}` },
  }));
  return { versions: { 1: {} }, config: { pipeline: { steps } satisfies PipelineConfig } };
};

describe('a declared model', () => {
  it('is shown as declared, with its notes and the class names of its outputs', async () => {
    const world = registryWorld({ a: { ...declaring(), notes: ['x has no effect.'], outputLabels: { y: ['cat'] } } });
    const { loaded } = await world.registry.load('a');
    assert.deepEqual(loaded?.notes, ['x has no effect.']);
    const lease = await world.registry.acquire('a');
    assert.deepEqual(lease.model.view.outputLabels, { y: ['cat'] });
    assert.equal(lease.model.view.defaultPriority, undefined);
    const { triton, outputLabels } = world.registry.definition('a')!;
    assert.deepEqual([triton?.maxBatchSize, outputLabels], [8, { y: ['cat'] }]);
    assert.equal(world.registry.definition('b'), undefined);
  });

  it('has the default priority of the file, levels of which start at 1 and end at 4', async () => {
    for (const [defaultLevel, expected] of [
      [1, 0],
      [3, 2],
      [9, 3],
    ] as const) {
      const world = registryWorld({ a: declaring({ priorities: { levels: 9, defaultLevel } }) });
      assert.equal((await world.registry.acquire('a')).model.view.defaultPriority, expected);
    }
  });

  it('is failed by a declaration that the model does not keep, before anything is loaded', async () => {
    const world = registryWorld({ a: declaring({ inputs: [input([5])] }) });
    await assert.rejects(world.registry.load('a'), {
      code: 'MODEL_FAILED',
      message: /config\.pbtxt gives the input "x" the shape \[\?, 5\], but in the model it is \[\?, 4\]/,
    });
    assert.equal(world.engine.history.length, 0);
  });

  it('is loaded again when only its declaration or its labels changed, and else not', async () => {
    const world = registryWorld({ a: declaring() });
    await world.registry.load('a');
    await world.registry.reload('a');
    assert.equal(world.engine.history.length, 1);
    world.source.folders.set('a', declaring({ inputs: [input([4])] }));
    await world.registry.reload('a');
    assert.equal(world.engine.history.length, 2);
    world.source.folders.set('a', { ...declaring({ inputs: [input([4])] }), outputLabels: { y: ['dog'] } });
    await world.registry.load('a');
    assert.equal(world.engine.history.length, 3);
  });

  it('has a failed row when it has no version, which an undeclared folder has not', async () => {
    const world = registryWorld({
      bare: { ...declaring(), versions: {} },
      broken: { versions: {}, configError: 'config.pbtxt is wrong.' },
      folder: { versions: {} },
    });
    const rows = (await world.registry.list()).map(({ name, version, state, reason }) => [
      name,
      version,
      state,
      reason,
    ]);
    assert.deepEqual(rows, [
      ['bare', '', 'failed', 'Model "bare" has no version; expected a file bare/1/model.onnx.'],
      ['broken', '', 'failed', 'config.pbtxt is wrong.'],
    ]);
  });
});

describe('a pipeline', () => {
  it('loads its models, keeps none of them, and has the sum of their deadlines', async () => {
    const world = registryWorld({ p: pipeline('a', 'b', 'a'), a: { versions: { 1: {} } }, b: { versions: { 1: {} } } });
    const { loaded, digest } = await world.registry.load('p');
    assert.deepEqual([loaded?.signature.inputs.length, loaded?.signature.outputs.length, loaded?.sloMs], [1, 3, 3000]);
    assert.deepEqual([digest, loaded?.memoryBytes, loaded?.instances], ['', 0, 0]);
    const leases = await Promise.all(['a', 'b', 'p'].map((name) => world.registry.acquire(name)));
    assert.deepEqual(
      leases.map(({ model }) => model.leases),
      [1, 1, 1],
    );
    const { runner } = leases[2]!.model;
    assert.equal(runner.pipeline?.sloMs, undefined);
    for (const lease of leases) lease.release();
    await world.registry.close();
    assert.equal(runner.closed, true);
  });

  it('loads where only one load may run at a time, and pipelines of pipelines do', async () => {
    const folders = { p: pipeline('q', 'r'), q: pipeline('a', 'b'), r: pipeline('b'), a: { versions: { 1: {} } } };
    const world = registryWorld({ ...folders, b: { versions: { 1: {} } } }, { preload: true, cores: 1 });
    await world.registry.start();
    const states = (await world.registry.list()).map(({ name, state, reason }) => [name, state, reason]);
    assert.deepEqual(
      states,
      ['a', 'b', 'p', 'q', 'r'].map((name) => [name, 'ready', undefined]),
    );
  });

  it('is failed by a model that fails, and by containing itself', async () => {
    const world = registryWorld({
      p: pipeline('bad'),
      bad: { versions: { 1: { probeError: 'no kernel' } } },
      q: pipeline('r'),
      r: pipeline('q'),
    });
    await assert.rejects(world.registry.load('p'), {
      code: 'MODEL_FAILED',
      message: /Step 1 of the pipeline, "bad": Model "bad" version "1" could not be loaded: no kernel/,
    });
    await assert.rejects(world.registry.load('q'), { message: /The pipeline contains itself: q → r → q\./ });
  });

  it('is not loaded again by a reload unless its steps changed', async () => {
    const world = registryWorld({ p: pipeline('a'), a: { versions: { 1: {} } } });
    await world.registry.load('p');
    const lease = await world.registry.acquire('p');
    lease.release();
    await world.registry.reload('p');
    assert.equal((await world.registry.acquire('p')).model, lease.model);
    world.source.folders.set('p', pipeline('a', 'a'));
    await world.registry.reload('p');
    const next = await world.registry.acquire('p');
    assert.notEqual(next.model, lease.model);
    assert.equal(next.model.view.signature.outputs.length, 2);
  });
});

describe('the warm-up requests of a config.pbtxt', () => {
  const signature: Signature = {
    inputs: [
      { name: 'x', datatype: 'float32', shape: [-1, 2] },
      { name: 's', datatype: 'string', shape: [-1, 1] },
    ],
    outputs: [],
    skippedOutputs: [],
  };

  function setUp(outcome?: HotpathError) {
    const runs: (readonly Tensor[])[] = [];
    const instance = (id: number): EngineInstance => ({
      id,
      available: true,
      onAvailable: undefined,
      run: async (inputs) => {
        runs.push(inputs);
        if (outcome !== undefined) throw outcome;
        return { outputs: [], inferMs: 1 };
      },
    });
    const instances = [instance(0), instance(1)];
    const engineModel = { signature, instances, executionProvider: 'cpu', close: async () => {} } as const;
    const warmups: TritonModelConfig['warmup'] = [
      {
        name: 'w',
        batchSize: 3,
        count: 2,
        inputs: [
          { name: 'x', datatype: 'float32', dims: [2], data: 'random' },
          { name: 's', datatype: 'string', dims: [1], data: 'zero' },
        ],
      },
    ];
    const options = { source: new FakeSource(), model: 'a', warmups, engineModel, declared: {}, batched: true };
    return { runs, notes: () => runDeclaredWarmUps(options) };
  }

  it('run on every instance as often as they say, with the same values', async () => {
    const { runs, notes } = setUp();
    assert.deepEqual(await notes(), []);
    assert.equal(runs.length, 4);
    const [x, s] = runs[0]!;
    assert.deepEqual([x!.shape, x!.data.length, s!.shape, s!.data], [[3, 2], 6, [3, 1], ['', '', '']]);
    assert.ok(new Set(x!.data as Float32Array).size > 1);
    assert.deepEqual(runs[3], runs[0]);
    assert.notEqual(runs[3]![0]!.data, x!.data);
  });

  it('leave a note when the model refuses them, and fail the load when they kill it', async () => {
    const refused = setUp(new HotpathError('ENGINE_FAILED', 'no'));
    assert.deepEqual(await refused.notes(), ['The warm-up request "w" failed: no']);
    await assert.rejects(setUp(new HotpathError('ENGINE_CRASHED', 'gone')).notes(), { code: 'ENGINE_CRASHED' });
  });
});
