/** The processes that run models for the optimizer, and what verify finds on them: crashes, hangs and memory end a process, not the command. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { HotpathError } from '../../src/core/errors.ts';
import type { Tensor } from '../../src/core/tensor.ts';
import { ProcessModelRunner } from '../../src/engines/onnx/model-runner.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import type { Node, TensorLiteral } from '../../src/onnx-file/model.ts';
import { int, makeModel, makeNode, makeTensor, makeValueInfo } from '../../src/onnx-file/model.ts';
import { bindArrays } from '../../src/optimizer/data/bind-arrays.ts';
import { graphFromBytes, loadModel } from '../../src/optimizer/graph/load.ts';
import { proveFusion } from '../../src/optimizer/verify/fusion-proof.ts';
import { compareLayers } from '../../src/optimizer/verify/layers.ts';

function modelOf(nodes: readonly Node[], initializers: readonly TensorLiteral[], width = 4): Uint8Array {
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: 13 }],
      graph: {
        name: 'g',
        nodes,
        initializers,
        inputs: [makeValueInfo('x', 'float32', ['rows', width])],
        outputs: [makeValueInfo('y', 'float32', ['rows', width])],
      },
    }),
  );
}

const scaled = (factor: number) =>
  modelOf(
    [makeNode('MatMul', ['x', 'w'], ['h']), makeNode('Relu', ['h'], ['r']), makeNode('MatMul', ['r', 'w'], ['y'])],
    [
      makeTensor(
        'w',
        'float32',
        [4, 4],
        Float32Array.from({ length: 16 }, (_, at) => (at % 5 === 0 ? factor : 0)),
      ),
    ],
  );

const row = (...data: number[]): Tensor => ({
  datatype: 'float32',
  shape: [data.length / 4, 4],
  data: Float32Array.from(data),
});

const runner = new ProcessModelRunner();
after(() => runner.close());

describe('a model runner', () => {
  it('runs, fetches what is asked for, and times', async () => {
    const model = await runner.open(scaled(2));
    assert.deepEqual(model.inputs, [{ name: 'x', datatype: 'float32', shape: [-1, 4] }]);
    const answers = await Promise.all([model.run({ x: row(1, 2, 3, -4) }), model.run({ x: row(1, 1, 1, 1) }, ['y'])]);
    assert.deepEqual(
      answers.map(({ y }) => [...(y!.data as Float32Array)]),
      [
        [4, 8, 12, 0],
        [4, 4, 4, 4],
      ],
    );
    const { durationsMs, residentBytes } = await model.time({ x: row(1, 2, 3, 4) }, 5);
    assert.ok(durationsMs.length > 0 && durationsMs.every((ms) => ms > 0));
    assert.ok(residentBytes > 0);
    await model.close();
    await assert.rejects(model.run({ x: row(1, 2, 3, 4) }), /ended/);
  });

  it('moves tensors of many megabytes both ways unchanged', async () => {
    const width = 1 << 21;
    const model = await runner.open(modelOf([makeNode('Relu', ['x'], ['y'])], [], width));
    const data = Float32Array.from({ length: width }, (_, index) => index - 5);
    const { y } = await model.run({ x: { datatype: 'float32', shape: [1, width], data } });
    assert.deepEqual(
      y!.data,
      data.map((value) => Math.max(0, value)),
    );
    await model.close();
  });

  it('gives the sentences of the runtime for a model it refuses and an input it refuses', async () => {
    const isRefusal = (code: string) => (error: unknown) => error instanceof HotpathError && error.code === code;
    await assert.rejects(runner.open(Buffer.from('nonsense')), isRefusal('MODEL_FAILED'));
    const model = await runner.open(scaled(1));
    const wrong: Tensor = { datatype: 'float32', shape: [1, 3], data: new Float32Array(3) };
    await assert.rejects(model.run({ x: wrong }), isRefusal('ENGINE_FAILED'));
    await assert.rejects(model.run({}), /Input "x" was not given/);
    assert.equal((await model.run({ x: row(1, 2, 3, 4) })).y?.data.length, 4);
    await model.close();
  });

  it('ends a process that takes too long, and only that one', async () => {
    const width = 1024;
    const steps = 400;
    const value = (step: number) => (step === 0 ? 'x' : step === steps ? 'y' : `h${step}`);
    const slow = modelOf(
      Array.from({ length: steps }, (_, step) => makeNode('MatMul', [value(step), 'w'], [value(step + 1)])),
      [makeTensor('w', 'float32', [width, width], new Float32Array(width * width))],
      width,
    );
    const impatient = new ProcessModelRunner({ timeoutMs: 3000 });
    const [model, other] = [await impatient.open(slow), await impatient.open(scaled(1))];
    // About a TFLOP: many seconds on any machine.
    const hours: Tensor = { datatype: 'float32', shape: [1024, width], data: new Float32Array(1024 * width) };
    await assert.rejects(model.run({ x: hours }), /took longer than 3000 ms/);
    assert.equal((await other.run({ x: row(1, 2, 3, 4) })).y?.data.length, 4);
    await impatient.close();
  });

  it('ends a process that takes too much memory', { skip: process.platform !== 'linux' && 'needs /proc' }, async () => {
    const repeats = 40_000_000;
    const chain = Array.from({ length: 12 }, (_, step) => makeNode('Sin', [`t${step}`], [`t${step + 1}`]));
    const greedy = modelOf(
      [makeNode('Tile', ['x', 'n'], ['t0']), ...chain, makeNode('ReduceMean', ['t12'], ['y'], { keepdims: int(1) })],
      [makeTensor('n', 'int64', [2], BigInt64Array.of(BigInt(repeats), 1n))],
    );
    const frugal = new ProcessModelRunner({ memoryBytes: 400 * 2 ** 20 });
    const model = await frugal.open(greedy);
    await assert.rejects(model.run({ x: row(1, 2, 3, 4) }), /took more than 400 MiB of memory/);
    await frugal.close();
  });

  it('saves the graph as the runtime optimized it, in which fusion can be proven', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-verify-'));
    try {
      const path = join(folder, 'optimized.onnx');
      const model = await runner.open(fused, { optimizedModelFilePath: path });
      await model.close();
      const optimized = loadModel(path, { check: false });
      const { problems, operators } = proveFusion(optimized, { DynamicQuantizeMatMul: 1 });
      assert.deepEqual(problems, [], JSON.stringify(operators));
      assert.match(proveFusion(optimized, { DynamicQuantizeMatMul: 2 }).problems[0]!, /fused 1 of 2/);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** What dynamic quantization writes: the runtime makes one operator of it. */
const fused = modelOf(
  [
    makeNode('DynamicQuantizeLinear', ['x'], ['q', 's', 'z']),
    makeNode('MatMulInteger', ['q', 'w', 'z', 'wz'], ['i']),
    makeNode('Cast', ['i'], ['f'], { to: int(1) }),
    makeNode('Mul', ['s', 'ws'], ['ss']),
    makeNode('Mul', ['f', 'ss'], ['y']),
  ],
  [
    makeTensor(
      'w',
      'int8',
      [4, 4],
      Int8Array.from({ length: 16 }, (_, index) => index),
    ),
    makeTensor('wz', 'int8', [], Int8Array.of(0)),
    makeTensor('ws', 'float32', [], Float32Array.of(0.5)),
  ],
);

describe('the comparison of layers', () => {
  it('finds where a variant loses precision', async () => {
    // Only the first product differs: what comes after differs as much, relatively.
    const [original, variant] = [graphFromBytes(scaled(1)), graphFromBytes(scaled(1.01))];
    const rows = bindArrays([{ name: 'x', datatype: 'float32', shape: [-1, 4] }], { x: row(1, 2, 3, 4, 5, 6, 7, 8) });
    const layers = await compareLayers(runner, original, variant, rows);
    assert.deepEqual(
      layers.map(({ value, opType, sqnrDb }) => [value, opType, Math.round(sqnrDb)]),
      [
        ['h', 'MatMul', 40],
        ['r', 'Relu', 40],
      ],
    );
  });
});
