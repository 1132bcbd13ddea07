import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HotpathError } from '../../core/errors.ts';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { EngineSpec } from '../../ports/engine.ts';
import type { FakeModel } from './fake-engine.ts';
import { createFakeEngine } from './fake-engine.ts';

const spec: EngineSpec = {
  name: 'demo',
  version: '1',
  path: '/models/demo/1/model.onnx',
  digest: '00',
  executionProviders: ['cpu'],
  fallbackToCpu: false,
  instances: 1,
  intraOpThreads: 1,
  runTimeoutMs: 1000,
};

const rows = (...values: number[][]): Tensor => ({
  datatype: 'float32',
  shape: [values.length, values[0]!.length],
  data: Float32Array.from(values.flat()),
});

async function start(model: FakeModel = {}, clock?: SimulatedClock) {
  const engine = createFakeEngine({ clock, models: { demo: model } });
  const report = await engine.probe(spec);
  const loaded = await engine.load(spec, report.signature);
  return { engine, report, loaded, instance: loaded.instances[0]! };
}

describe('fake engine', () => {
  it('answers each row with a copy of it and its sum', async () => {
    const { instance } = await start();
    const { outputs } = await instance.run([rows([1, 2, 3], [10, 20, 30])]);
    assert.deepEqual(outputs, [
      { datatype: 'float32', shape: [2, 3], data: Float32Array.of(1, 2, 3, 10, 20, 30) },
      { datatype: 'float32', shape: [2], data: Float32Array.of(6, 60) },
    ]);
  });

  it('answers only the wanted outputs, in the wanted order', async () => {
    const { instance } = await start();
    const { outputs } = await instance.run([rows([1, 2])], ['row_sum', 'features_copy']);
    assert.deepEqual(
      outputs.map((output) => [...output.data]),
      [[3], [1, 2]],
    );
    await assert.rejects(instance.run([rows([1])], ['nope']), { code: 'ENGINE_FAILED' });
  });

  it('fills outputs of any datatype and shape with the sum over all inputs', async () => {
    const { instance } = await start({
      signature: {
        inputs: [
          { name: 'text', datatype: 'string', shape: [-1] },
          { name: 'ids', datatype: 'int64', shape: [-1, 2] },
        ],
        outputs: [
          { name: 'label', datatype: 'int64', shape: [-1] },
          { name: 'words', datatype: 'string', shape: [-1, 2] },
        ],
        skippedOutputs: [],
      },
    });
    const { outputs } = await instance.run([
      { datatype: 'string', shape: [2], data: ['a', 'b'] },
      { datatype: 'int64', shape: [2, 2], data: BigInt64Array.of(1n, 2n, 3n, 4n) },
    ]);
    assert.deepEqual(outputs, [
      { datatype: 'int64', shape: [2], data: BigInt64Array.of(100n, 105n) },
      { datatype: 'string', shape: [2, 2], data: ['100', '100', '105', '105'] },
    ]);
  });

  it('takes fixedMs + perRowMs * rows of the clock it was given', async () => {
    const clock = new SimulatedClock();
    const { instance } = await start({ fixedMs: 8, perRowMs: 0.5 }, clock);
    let done = false;
    const run = instance.run([rows([1], [2])]).then((result) => {
      done = true;
      return result;
    });
    clock.advance(8.9);
    await settle();
    assert.equal(done, false);
    clock.advance(0.2);
    assert.equal((await run).inferMs, 9);
  });

  it('refuses a second run while one is in progress', async () => {
    const clock = new SimulatedClock();
    const { instance } = await start({ fixedMs: 1 }, clock);
    const first = instance.run([rows([1])]);
    await assert.rejects(instance.run([rows([1])]), { code: 'INTERNAL' });
    clock.advance(1);
    await first;
  });

  it('crashes and fails on demand, and comes back', async () => {
    const clock = new SimulatedClock();
    const outcomes = ['fail', 'crash', 'answer'] as const;
    const { instance } = await start({ recoveryMs: 50, outcome: ({ index }) => outcomes[index]! }, clock);
    let restored = 0;
    instance.onAvailable = () => restored++;
    await assert.rejects(instance.run([rows([1])]), { code: 'ENGINE_FAILED' });
    assert.equal(instance.available, true);
    await assert.rejects(instance.run([rows([1])]), { code: 'ENGINE_CRASHED' });
    assert.equal(instance.available, false);
    clock.advance(50);
    await settle();
    assert.equal(restored, 1);
    assert.equal((await instance.run([rows([1])])).outputs.length, 2);
  });

  it('lets a run finish before close() settles, and refuses new ones', async () => {
    const clock = new SimulatedClock();
    const { instance, loaded } = await start({ fixedMs: 5 }, clock);
    const order: string[] = [];
    const run = instance.run([rows([1])]).then(() => order.push('run'));
    const close = loaded.close().then(() => order.push('close'));
    await assert.rejects(instance.run([rows([1])]), (error: HotpathError) => error.code === 'MODEL_NOT_READY');
    clock.advance(5);
    await Promise.all([run, close]);
    assert.deepEqual(order, ['run', 'close']);
  });

  it('throws MODEL_FAILED for a model declared broken', async () => {
    await assert.rejects(start({ broken: 'No such operator.' }), {
      code: 'MODEL_FAILED',
      message: 'No such operator.',
    });
  });
});

/** Lets promise reactions run. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
