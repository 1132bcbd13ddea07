import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { makeNode, makeTensor, makeValueInfo } from '../../src/onnx-file/model.ts';
import type { EngineInstance } from '../../src/ports/engine.ts';
import { holdOpen, kill, modelBytes, startHarness, tensor } from './support/engine-harness.ts';

/** y = x squared `depth` times as a matrix of side n, n given by the input: n = 2 is instant, n = 1200 takes seconds. */
function slowModel(depth = 40): Uint8Array {
  const nodes = [makeNode('Concat', ['n', 'n'], ['shape'], { axis: { type: 'int', value: 0 } })];
  nodes.push(makeNode('Expand', ['seed', 'shape'], ['m0']));
  for (let index = 0; index < depth; index++) {
    nodes.push(makeNode('MatMul', [`m${index}`, 'm0'], [`p${index}`]));
    nodes.push(makeNode('Min', [`p${index}`, 'seed'], [`m${index + 1}`]));
  }
  nodes.push(makeNode('ReduceMax', [`m${depth}`], ['y'], { keepdims: { type: 'int', value: 0 } }));
  return modelBytes({
    nodes,
    inputs: [makeValueInfo('n', 'int64', [1])],
    outputs: [makeValueInfo('y', 'float32', [])],
    initializers: [makeTensor('seed', 'float32', [1], Float32Array.of(1))],
  });
}

const doubler = modelBytes({
  nodes: [makeNode('Add', ['x', 'x'], ['y'])],
  inputs: [makeValueInfo('x', 'float32', ['n'])],
  outputs: [makeValueInfo('y', 'float32', ['n'])],
});

const double = async (instance: EngineInstance, value: number): Promise<unknown> =>
  (await instance.run([tensor('float32', [1], Float32Array.of(value))])).outputs[0]!.data[0];

const size = (n: number) => [tensor('int64', [1], BigInt64Array.of(BigInt(n)))];

/** Waits until the instance can run again. @returns milliseconds it took */
async function recovery(instance: EngineInstance): Promise<number> {
  const startedAt = performance.now();
  if (!instance.available) {
    await holdOpen(
      new Promise<void>((resolve) => {
        instance.onAvailable = resolve;
      }),
    );
  }
  return performance.now() - startedAt;
}

/** Ends the worker and waits until its thread is gone. */
async function killed(worker: Worker): Promise<void> {
  // Not events.once(): that rejects at the 'error' event which comes first.
  const exit = new Promise((resolve) => {
    worker.once('exit', resolve);
  });
  kill(worker);
  await holdOpen(exit);
}

describe('engine workers that die', () => {
  it('fails only the run of the dead worker and replaces it within a second', async (test) => {
    const { open, workers, restarts, engine } = await startHarness(test);
    const model = await open(slowModel(), { instances: 2 });
    const [first, second] = model.instances;
    kill(workers[0]!);
    const doomed = assert.rejects(first!.run(size(100)), { code: 'ENGINE_CRASHED', message: /died during the run/ });
    const alive = second!.run(size(100));
    await doomed;
    assert.equal(first!.available, false);
    assert.equal((await alive).outputs[0]!.data[0], 1);
    await assert.rejects(first!.run(size(2)), { code: 'ENGINE_CRASHED' });
    assert.ok((await recovery(first!)) < 1000);
    assert.equal((await first!.run(size(2))).outputs[0]!.data[0], 1);
    assert.deepEqual(restarts, ['test crash']);
    assert.equal(engine.abandonedWorkers, 0);
  });

  it('replaces an idle worker that dies, and again when the replacement dies', async (test) => {
    const { open, workers, restarts } = await startHarness(test);
    const model = await open(doubler);
    const instance = model.instances[0]!;
    for (const round of [1, 2, 3]) {
      await killed(workers.at(-1)!);
      assert.ok((await recovery(instance)) < 1000);
      assert.equal(await double(instance, round), 2 * round);
    }
    assert.equal(restarts.length, 3);
    assert.equal(workers.length, 4);
  });

  it('keeps trying while the replacement cannot load, and is back when the file is', async (test) => {
    const { open, workers, started, folder } = await startHarness(test);
    const path = join(folder, 'model.onnx');
    await writeFile(path, doubler);
    const model = await open(path);
    const instance = model.instances[0]!;
    await writeFile(path, 'broken');
    kill(workers[0]!);
    await started(4);
    assert.equal(instance.available, false);
    await assert.rejects(double(instance, 1), { code: 'ENGINE_CRASHED' });
    await writeFile(path, doubler);
    await recovery(instance);
    assert.equal(await double(instance, 4), 8);
  });

  it('replaces a worker that hangs in native code within a second, and counts it until it ends', async (test) => {
    const { open, workers, restarts, engine } = await startHarness(test);
    const model = await open(slowModel(), { runTimeoutMs: 100 });
    const instance = model.instances[0]!;
    assert.equal((await instance.run(size(2))).outputs[0]!.data[0], 1);
    await assert.rejects(instance.run(size(1200)), { code: 'ENGINE_CRASHED', message: /longer than 100 ms/ });
    assert.ok((await recovery(instance)) < 1000);
    assert.deepEqual(restarts, ['test hang']);
    assert.equal((await instance.run(size(2))).outputs[0]!.data[0], 1);
    if (engine.abandonedWorkers > 0) await holdOpen(once(workers[0]!, 'exit'));
    assert.equal(engine.abandonedWorkers, 0);
  });

  it('does not take many short runs for one long one', async (test) => {
    const { open, restarts } = await startHarness(test);
    const model = await open(doubler, { runTimeoutMs: 50 });
    const until = performance.now() + 200;
    while (performance.now() < until) assert.equal(await double(model.instances[0]!, 1), 2);
    assert.deepEqual(restarts, []);
  });
});

describe('closing', () => {
  it('lets the run in progress finish, refuses new ones, ends the threads, and may be repeated', async (test) => {
    const { open, workers } = await startHarness(test);
    const model = await open(slowModel(), { instances: 2 });
    const ends = workers.map((worker) => once(worker, 'exit'));
    const run = model.instances[0]!.run(size(400));
    const closing = Promise.all([model.close(), model.close()]);
    await assert.rejects(model.instances[0]!.run(size(2)), { code: 'MODEL_NOT_READY' });
    assert.equal((await run).outputs[0]!.data[0], 1);
    await closing;
    assert.deepEqual(
      (await Promise.all(ends)).map(([code]) => code),
      [0, 0],
    );
  });

  it('settles the run whose worker dies while closing, without a replacement', async (test) => {
    const { open, workers } = await startHarness(test);
    const model = await open(slowModel());
    kill(workers[0]!);
    const run = assert.rejects(model.instances[0]!.run(size(100)), { code: 'ENGINE_CRASHED' });
    await Promise.all([run, model.close()]);
    assert.equal(workers.length, 1);
  });

  it('refuses probes and loads afterwards', async (test) => {
    const { engine, spec } = await startHarness(test);
    const target = await spec(doubler);
    await engine.close();
    await assert.rejects(engine.probe(target), { code: 'SHUTTING_DOWN' });
    await assert.rejects(engine.load(target, { inputs: [], outputs: [], skippedOutputs: [] }), {
      code: 'SHUTTING_DOWN',
    });
  });

  it('refuses a second run on a busy instance', async (test) => {
    const { open } = await startHarness(test);
    const model = await open(slowModel());
    const first = model.instances[0]!.run(size(100));
    await assert.rejects(model.instances[0]!.run(size(2)), { code: 'INTERNAL', message: /busy/ });
    await first;
  });
});
