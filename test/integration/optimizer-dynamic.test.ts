import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildMlp512 } from '../../bench/models.ts';
import { seededRandom } from '../../src/core/seeded-random.ts';
import type { TensorLiteral } from '../../src/onnx-file/model.ts';
import { ints, makeNode, makeTensor } from '../../src/onnx-file/model.ts';
import { graphFromBytes, loadModel } from '../../src/optimizer/graph/load.ts';
import { saveModel } from '../../src/optimizer/graph/save.ts';
import { dynamicInt8 } from '../../src/optimizer/passes/dynamic-int8.ts';
import { compareRows, gemmCases, gemmModel, linearModel, weights } from './support/linear-models.ts';
import { normalDataset, optimizedOperators, passContext, testRunner } from './support/optimizer-runner.ts';

const context = passContext(undefined);
const child = fileURLToPath(new URL('./support/dynamic-int8-child.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hotpath-dynamic-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const skippedOf = (report: Awaited<ReturnType<typeof dynamicInt8>>) =>
  report.skipped.map(({ node, what }) => [node, what]);

describe('dynamic INT8', () => {
  it('quantizes every layer of a perceptron, which the runtime fuses, to a quarter of the size', async () => {
    const origin = buildMlp512();
    const graph = graphFromBytes(origin);
    const report = await dynamicInt8(graph, {}, context);
    const variant = graph.check().toBytes();
    assert.deepEqual(
      report.changed.map(({ node }) => node),
      ['sums0', 'sums1', 'sums2', 'logits'],
    );
    assert.deepEqual(report.skipped, []);
    assert.deepEqual(report.expectedFused, { DynamicQuantizeMatMul: 4 });
    assert.deepEqual(await optimizedOperators(variant), { DynamicQuantizeMatMul: 4, Relu: 3 });
    assert.ok(variant.length < 0.26 * origin.length);
    assert.ok((await compareRows(origin, variant, normalDataset('features', 64, [512]), 'logits')) > 34);
  });

  it('per tensor and with seven bits works as well, a little less exactly', async () => {
    const origin = buildMlp512();
    const data = normalDataset('features', 64, [512]);
    for (const [settings, least] of [
      [{ perChannel: false }, 34],
      [{ reduceRange: true }, 30],
    ] as const) {
      const graph = graphFromBytes(origin);
      const { expectedFused } = await dynamicInt8(graph, settings, context);
      assert.ok((await compareRows(origin, graph.toBytes(), data, 'logits')) > least);
      assert.equal(
        (await optimizedOperators(graph.toBytes())).DynamicQuantizeMatMul,
        expectedFused?.DynamicQuantizeMatMul,
      );
    }
  });

  for (const gemm of gemmCases) {
    it(`keeps the answers of a Gemm with ${gemm.title}`, async () => {
      const origin = gemmModel(gemm);
      const graph = graphFromBytes(origin);
      const report = await dynamicInt8(graph, {}, context);
      const decibels = await compareRows(origin, graph.check().toBytes(), normalDataset('x', 16, [70]), 'y');
      assert.ok(decibels > 30, `${decibels} dB`);
      assert.equal((await optimizedOperators(graph.toBytes())).DynamicQuantizeMatMul, 1);
      assert.equal(report.changed.length, 1);
    });
  }

  it('quantizes an input that several layers share once', async () => {
    const parts = ['query', 'key', 'value'];
    const origin = linearModel({
      nodes: parts.map((part) => makeNode('MatMul', ['x', `${part}_w`], [part])),
      initializers: parts.map((part, seed) => weights(`${part}_w`, [32, 16], seed + 1)),
      dims: ['batch', 'sequence', 32],
      outputs: parts,
    });
    const graph = graphFromBytes(origin);
    const report = await dynamicInt8(graph, {}, context);
    assert.equal(graph.nodes.filter(({ opType }) => opType === 'DynamicQuantizeLinear').length, 1);
    assert.deepEqual(report.expectedFused, { MatMulIntegerToFloat: 3 });
    assert.equal((await optimizedOperators(graph.toBytes())).MatMulIntegerToFloat, 3);
    for (const part of parts) {
      assert.ok((await compareRows(origin, graph.toBytes(), normalDataset('x', 4, [6, 32]), part)) > 34);
    }
  });

  it('leaves what it cannot quantize as it is and says why', async () => {
    const origin = linearModel({
      nodes: [
        makeNode('MatMul', ['x', 'tied'], ['a']),
        makeNode('MatMul', ['a', 'tied'], ['b']),
        makeNode('MatMul', ['b', 'stack'], ['c']),
        makeNode('MatMul', ['left', 'b'], ['d']),
        makeNode('MatMul', ['b', 'x'], ['e']),
        makeNode('MatMul', ['x', 'plain'], ['f']),
        makeNode('MatMul', ['x', 'vector'], ['g']),
        makeNode('MatMul', ['x', 'good'], ['y']),
      ],
      initializers: [
        ...['tied', 'plain', 'good', 'left'].map((name) => weights(name, [8, 8])),
        weights('stack', [1, 8, 8]),
        weights('vector', [8]),
      ],
      dims: [8, 8],
      outputs: ['y'],
    });
    const graph = graphFromBytes(origin);
    const report = await dynamicInt8(graph, { exclude: ['f'] }, context);
    assert.deepEqual(skippedOf(report), [
      ['a', 'its weight is tied: MatMul "b" uses it too'],
      ['b', 'its weight is tied: MatMul "a" uses it too'],
      ['c', 'its weight has 3 dimensions, not 2'],
      ['d', 'its constant stands on the left side of the product'],
      ['e', 'both sides of the product are computed, there is no weight'],
      ['f', 'excluded by the settings'],
      ['g', 'its weight has 1 dimensions, not 2'],
    ]);
    assert.deepEqual(
      report.changed.map(({ node }) => node),
      ['y'],
    );
  });

  it('leaves convolutions, and models that are too old, untouched', async () => {
    const conv = linearModel({
      nodes: [makeNode('Conv', ['x', 'w'], ['y'], { kernel_shape: ints([3, 3]) })],
      initializers: [weights('w', [4, 3, 3, 3])],
      dims: ['batch', 3, 8, 8],
      outputs: ['y'],
    });
    const graph = graphFromBytes(conv);
    const report = await dynamicInt8(graph, {}, context);
    assert.match(report.skipped[0]!.what, /convolutions are slower/);
    assert.deepEqual(graph.toBytes(), conv);
    const old = linearModel({
      nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
      initializers: [weights('w', [8, 8])],
      dims: ['batch', 8],
      outputs: ['y'],
      opset: 10,
    });
    const oldGraph = graphFromBytes(old);
    const oldReport = await dynamicInt8(oldGraph, {}, context);
    assert.deepEqual(oldReport.changed, []);
    assert.match(oldReport.skipped[0]!.what, /operator set is 10/);
    assert.deepEqual(oldGraph.toBytes(), old);
  });

  it('refuses weights that are no numbers, naming the node, and stops when it is cancelled', async () => {
    const bad: TensorLiteral = makeTensor('w', 'float32', [2, 1], Float32Array.of(1, Number.NaN));
    const model = linearModel({
      nodes: [makeNode('MatMul', ['x', 'w'], ['dense'])],
      initializers: [bad],
      dims: ['n', 2],
      outputs: ['dense'],
    });
    await assert.rejects(dynamicInt8(graphFromBytes(model), {}, context), {
      code: 'INVALID_INPUT',
      message: /"dense".*NaN at element 1/,
    });
    const cancelled = passContext(undefined, { signal: AbortSignal.abort(new Error('enough')) });
    await assert.rejects(dynamicInt8(graphFromBytes(buildMlp512()), {}, cancelled), /enough/);
  });

  it('reads weights that lie in another file one by one, and answers as for one file', async () => {
    const path = join(folder, 'external.onnx');
    saveModel(graphFromBytes(buildMlp512()), path, { external: true });
    const graph = loadModel(path);
    await dynamicInt8(graph, {}, context);
    assert.equal(graph.initializers.filter(({ storage }) => storage === 'lazy').length, 4);
    const saved = join(folder, 'external-int8.onnx');
    saveModel(graph, saved);
    const whole = graphFromBytes(buildMlp512());
    await dynamicInt8(whole, {}, context);
    assert.equal(
      await compareRows(whole.toBytes(), saved, normalDataset('features', 8, [512]), 'logits'),
      Number.POSITIVE_INFINITY,
    );
  });
});

const skip = process.env.HOTPATH_TEST_LARGE === '1' ? false : 'writes 3.4 GB: set HOTPATH_TEST_LARGE=1';

describe('dynamic INT8 of a model over 2 GiB', { skip }, () => {
  it('holds one layer at a time in memory', async () => {
    const [path, saved] = [join(folder, 'large.onnx'), join(folder, 'large-int8.onnx')];
    const [layers, width] = [10, 8192];
    writeChain(path, layers, width);
    const { stdout } = spawnSync(process.execPath, [child, path, saved], { encoding: 'utf8' });
    const result = JSON.parse(stdout);
    console.log(`${result.ms} ms, peak ${Math.round(result.residentPeak / 1e6)} MB`);
    const layerBytes = width * width * 4;
    assert.equal(result.layers, layers);
    assert.ok(result.dataBytes < 0.26 * layers * layerBytes);
    assert.ok(result.residentPeak - result.residentBefore < 4 * layerBytes, `${result.residentPeak}`);
    const model = await testRunner.open(saved);
    const { y } = await model.run(normalDataset('x', 2, [width]).slice(0, 2));
    await model.close();
    assert.ok((y!.data as Float32Array).every(Number.isFinite));
    assert.ok((y!.data as Float32Array).some((value) => Math.abs(value) > 1e-3));
  });
});

/** A chain of square MatMuls whose weights lie in a data file, all with the same numbers. */
function writeChain(path: string, layers: number, width: number): void {
  const at = (layer: number): string => (layer === 0 ? 'x' : layer === layers ? 'y' : `h${layer}`);
  const nodes = Array.from({ length: layers }, (_, layer) =>
    makeNode('MatMul', [at(layer), `w${layer}`], [at(layer + 1)]),
  );
  const model = linearModel({ nodes, initializers: [], dims: ['batch', width], outputs: ['y'] });
  const graph = graphFromBytes(model, { check: false });
  const random = seededRandom(1);
  const limit = Math.sqrt(3 / width);
  const values = new Float32Array(width * width);
  for (let i = 0; i < values.length; i++) values[i] = (2 * random() - 1) * limit;
  const read = (): Uint8Array => new Uint8Array(values.buffer);
  for (let layer = 0; layer < layers; layer++) {
    graph.addInitializer({ name: `w${layer}`, datatype: 'float32', dims: [width, width], read });
  }
  saveModel(graph, path, { external: true });
}
