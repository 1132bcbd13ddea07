import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildMlp512, buildResnet18 } from '../../bench/models.ts';
import { float, floats, int, makeNode, makeTensor, tensor } from '../../src/onnx-file/model.ts';
import type { Graph } from '../../src/optimizer/graph/graph.ts';
import { graphFromBytes, loadModel } from '../../src/optimizer/graph/load.ts';
import { float16 } from '../../src/optimizer/passes/float16.ts';
import { float16Weights } from '../../src/optimizer/passes/float16-weights.ts';
import { fixture, withoutFixtures } from './support/engine-harness.ts';
import { compareRows, linearModel, weights } from './support/linear-models.ts';
import { normalDataset, optimizedOperators, passContext, runRows, testRunner } from './support/optimizer-runner.ts';

const context = passContext(undefined);
const squeezenet = fixture('classify/squeezenet_fp16/SqueezeNet_fp16.onnx');

const opsOf = (graph: Graph) => graph.nodes.map(({ opType }) => opType);

describe('FP16', () => {
  it('halves a perceptron, whose callers still give and get float32', async () => {
    const origin = buildMlp512();
    const graph = graphFromBytes(origin);
    const report = await float16(graph, {}, context);
    const variant = graph.check().toBytes();
    assert.equal(report.changed.length, 7);
    assert.ok(variant.length < 0.502 * origin.length);
    assert.deepEqual(opsOf(graph), ['Cast', 'Gemm', 'Relu', 'Gemm', 'Relu', 'Gemm', 'Relu', 'Gemm', 'Cast']);
    assert.ok((await compareRows(origin, variant, normalDataset('features', 32, [512]), 'logits')) > 60);
  });

  it('halves a convolution net', async () => {
    const origin = buildResnet18();
    const graph = graphFromBytes(origin);
    await float16(graph, {}, context);
    const variant = graph.check().toBytes();
    assert.ok(variant.length < 0.502 * origin.length);
    assert.ok((await compareRows(origin, variant, normalDataset('image', 1, [3, 224, 224]), 'logits')) > 55);
  });

  it('makes inputs and outputs float16 as well when asked', async () => {
    const graph = graphFromBytes(buildMlp512());
    await float16(graph, { keepIoTypes: false }, context);
    const model = await testRunner.open(graph.check().toBytes());
    assert.deepEqual(
      [model.inputs, model.outputs].map(([spec]) => spec!.datatype),
      ['float16', 'float16'],
    );
    await model.close();
    assert.ok(!opsOf(graph).includes('Cast'));
  });

  it('keeps operators float32 that must be or shall be, with one Cast per value and direction', async () => {
    const origin = linearModel({
      nodes: [
        makeNode('MatMul', ['x', 'w'], ['a']),
        makeNode('Relu', ['a'], ['b']),
        makeNode('Sigmoid', ['a'], ['c'], {}, { name: 'named' }),
        makeNode('Add', ['b', 'c'], ['d']),
        makeNode('Mul', ['b', 'd'], ['y'], {}, { name: 'y' }),
      ],
      initializers: [weights('w', [8, 8])],
      dims: ['batch', 8],
      outputs: ['y', 'b'],
    });
    const graph = graphFromBytes(origin);
    const report = await float16(graph, { blockOps: ['Relu'], exclude: ['named'] }, context);
    assert.deepEqual(
      report.skipped.map(({ node, what }) => [node, what]),
      [
        ['b', 'stays float32'],
        ['named', 'excluded by the settings'],
      ],
    );
    // In: x. Back: a for the two that stay, y. Forth: b and c.
    assert.equal(opsOf(graph).filter((opType) => opType === 'Cast').length, 5);
    assert.ok((await compareRows(origin, graph.check().toBytes(), normalDataset('x', 16, [8]), 'y')) > 55);
  });

  it('follows constants, casts and shapes, and leaves scales of Resize and random numbers float32', async () => {
    const value = (data: Float32Array<ArrayBuffer>, dims: number[]) => tensor(makeTensor('v', 'float32', dims, data));
    const origin = linearModel({
      nodes: [
        makeNode('Constant', [], ['two'], { value: value(Float32Array.of(2), []) }),
        makeNode('Constant', [], ['list'], { value_floats: floats([1, 2]) }),
        makeNode('Shape', ['x'], ['shape']),
        makeNode('ConstantOfShape', ['shape'], ['ones'], { value: value(Float32Array.of(1), [1]) }),
        makeNode('ConstantOfShape', ['shape'], ['zeros']),
        makeNode('Cast', ['shape'], ['sizes'], { to: int(1) }),
        makeNode('ReduceSum', ['sizes'], ['size'], { keepdims: int(0) }),
        makeNode('Mul', ['x', 'two'], ['a']),
        makeNode('Add', ['a', 'ones'], ['b']),
        makeNode('Add', ['b', 'zeros'], ['c']),
        makeNode('Div', ['c', 'size'], ['d']),
        makeNode('Resize', ['d', '', 'list'], ['e']),
        makeNode('RandomNormalLike', ['e'], ['noise'], { scale: float(1e-6), seed: float(1) }),
        makeNode('Add', ['e', 'noise'], ['y']),
      ],
      initializers: [],
      dims: ['batch', 4],
      outputs: ['y'],
    });
    const graph = graphFromBytes(origin);
    await float16(graph, {}, context);
    assert.ok((await compareRows(origin, graph.check().toBytes(), normalDataset('x', 3, [4]), 'y')) > 55);
    const counts = await optimizedOperators(graph.toBytes(), 'disabled');
    assert.equal(counts.RandomNormalLike, 1);
  });

  it('clamps what float16 cannot hold, keeps infinities, lifts what would vanish, and says so', async () => {
    const values = Float32Array.of(1e6, -7e4, 1e-9, -1e-9, 0, Number.NEGATIVE_INFINITY, 65504, 6e-8);
    const model = linearModel({
      nodes: [makeNode('Add', ['x', 'c'], ['y'])],
      initializers: [makeTensor('c', 'float32', [8], values)],
      dims: ['batch', 8],
      outputs: ['y'],
    });
    const graph = graphFromBytes(model);
    const report = await float16(graph, {}, context);
    assert.deepEqual(
      [...graph.initializers[0]!.floats()],
      [65504, -65504, 2 ** -24, -(2 ** -24), 0, Number.NEGATIVE_INFINITY, 65504, 2 ** -24],
    );
    assert.deepEqual(report.notes, [
      '2 constants beyond ±65504 became that: check the answers.',
      '2 constants too small for float16 became ±6e-8 instead of 0.',
    ]);
  });

  it('says of a float16 model that it is one', {
    skip: withoutFixtures,
  }, async () => {
    for (const pass of [float16, float16Weights]) {
      const graph = loadModel(squeezenet);
      const report = await pass(graph, {}, context);
      assert.match(report.notes.join(), /float16 already/);
      assert.deepEqual(report.changed, []);
    }
  });
});

describe('FP16-stored weights', () => {
  it('halve the file and leave the computing in float32', async () => {
    const origin = buildMlp512();
    const graph = graphFromBytes(origin);
    const report = await float16Weights(graph, {}, context);
    const variant = graph.check().toBytes();
    assert.equal(report.changed.length, 7);
    assert.ok(variant.length < 0.502 * origin.length);
    assert.deepEqual(await optimizedOperators(variant), await optimizedOperators(origin));
    assert.ok((await compareRows(origin, variant, normalDataset('features', 32, [512]), 'logits')) > 65);
  });

  it('reach Constant nodes, and leave small constants and integers alone', async () => {
    const large = { value: tensor(weights('v', [16, 16])) };
    const origin = linearModel({
      nodes: [
        makeNode('Constant', [], ['w'], large),
        makeNode('MatMul', ['x', 'w'], ['a']),
        makeNode('Add', ['a', 'b'], ['y']),
      ],
      initializers: [weights('b', [16])],
      dims: ['batch', 16],
      outputs: ['y'],
    });
    const graph = graphFromBytes(origin);
    const report = await float16Weights(graph, {}, context);
    assert.deepEqual(
      report.changed.map(({ node }) => node),
      ['w'],
    );
    assert.ok((await compareRows(origin, graph.check().toBytes(), normalDataset('x', 4, [16]), 'y')) > 60);
    assert.deepEqual((await runRows(graph.toBytes(), normalDataset('x', 4, [16]))).y!.shape, [4, 16]);
  });
});
