import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { buildMlp512, buildResnet18 } from '../../bench/models.ts';
import { float, int, makeNode, makeTensor } from '../../src/onnx-file/model.ts';
import { calibrationMethods } from '../../src/optimizer/calibrate/calibrate.ts';
import { loadModel } from '../../src/optimizer/graph/load.ts';
import { staticInt8 } from '../../src/optimizer/passes/static-int8.ts';
import type { SmallModel } from './support/int8-models.ts';
import { assertFused, build, flat, kernel, quantize, sqnr, weights } from './support/int8-models.ts';
import { normalDataset, passContext } from './support/optimizer-runner.ts';

const fixtures = process.env.HOTPATH_FIXTURES ?? fileURLToPath(new URL('../../../shared/fixtures', import.meta.url));
const noFixtures = existsSync(fixtures) ? false : 'the fixtures are not beside the checkout';

describe('static INT8 makes the runtime compute in integers', () => {
  const cases: Record<string, SmallModel & { readonly fused: Record<string, number>; readonly floats?: number }> = {
    'a residual block with its sum and pools': {
      row: [3, 16, 16],
      answer: [5],
      nodes: [
        makeNode('Conv', ['x', 'w1', 'b1'], ['c1'], kernel(3, 1, 1)),
        makeNode('Relu', ['c1'], ['r1']),
        makeNode('MaxPool', ['r1'], ['p1'], kernel(2, 2)),
        makeNode('Conv', ['p1', 'w2', 'b1'], ['c2'], kernel(3, 1, 1)),
        makeNode('Add', ['c2', 'p1'], ['sum']),
        makeNode('Relu', ['sum'], ['last']),
        ...flat,
        makeNode('Gemm', ['flat', 'w3', 'b3'], ['y'], { transB: int(1) }),
      ],
      initializers: [
        weights('w1', [8, 3, 3, 3], 27),
        weights('b1', [8], 9),
        weights('w2', [8, 8, 3, 3], 72, 5),
        weights('w3', [5, 8], 8),
        weights('b3', [5], 9),
      ],
      fused: { QLinearConv: 2, QLinearAdd: 1, QLinearGlobalAveragePool: 1, QGemm: 1 },
    },
    'SiLU, LeakyRelu, Relu6, concatenation and depthwise convolutions': {
      row: [3, 16, 16],
      answer: [5],
      nodes: [
        makeNode('Conv', ['x', 'w1', 'b1'], ['c1'], kernel(3, 1, 1)),
        makeNode('Sigmoid', ['c1'], ['s1']),
        makeNode('Mul', ['c1', 's1'], ['silu']),
        makeNode('Conv', ['silu', 'w2'], ['c2'], { ...kernel(3, 1, 1), group: int(8) }),
        makeNode('LeakyRelu', ['c2'], ['leaky'], { alpha: float(0.1) }),
        makeNode('Concat', ['silu', 'leaky'], ['both'], { axis: int(1) }),
        makeNode('Conv', ['both', 'w3'], ['c3'], kernel(1)),
        makeNode('Clip', ['c3', 'zero', 'six'], ['last']),
        ...flat,
        makeNode('Gemm', ['flat', 'w4'], ['y']),
      ],
      initializers: [
        weights('w1', [8, 3, 3, 3], 27),
        weights('b1', [8], 9),
        weights('w2', [8, 1, 3, 3], 9),
        weights('w3', [8, 16, 1, 1], 16),
        weights('w4', [8, 5], 8),
        makeTensor('zero', 'float32', [], Float32Array.of(0)),
        makeTensor('six', 'float32', [], Float32Array.of(6)),
      ],
      fused: {
        QLinearConv: 3,
        QLinearSigmoid: 1,
        QLinearMul: 1,
        QLinearLeakyRelu: 1,
        QLinearConcat: 1,
        QLinearGlobalAveragePool: 1,
        QGemm: 1,
      },
    },
    'a pool between a convolution and its Relu': {
      row: [3, 8, 8],
      answer: [5],
      nodes: [
        makeNode('Conv', ['x', 'w1'], ['c1'], kernel(3, 1, 1)),
        makeNode('MaxPool', ['c1'], ['p1'], kernel(2, 2)),
        makeNode('Relu', ['p1'], ['r1']),
        makeNode('Reshape', ['r1', 'shape'], ['flat']),
        makeNode('Gemm', ['flat', 'w2'], ['y']),
      ],
      initializers: [
        weights('w1', [8, 3, 3, 3], 27),
        weights('w2', [128, 5], 128),
        makeTensor('shape', 'int64', [2], BigInt64Array.of(-1n, 128n)),
      ],
      fused: { QLinearConv: 1, QGemm: 1 },
    },
    'Gemm with alpha, beta, one bias for all, and a Relu whose result stays float': {
      row: [16],
      answer: [8],
      nodes: [
        makeNode('Gemm', ['x', 'w1', 'b1'], ['g1'], { alpha: float(0.5), beta: float(2), transB: int(1) }),
        makeNode('Relu', ['g1'], ['r1']),
        makeNode('Gemm', ['r1', 'w2', 'b2'], ['g2']),
        makeNode('Relu', ['g2'], ['y']),
      ],
      initializers: [
        weights('w1', [32, 16], 16),
        weights('b1', [1], 2),
        weights('w2', [32, 8], 32),
        weights('b2', [1, 8], 2),
      ],
      fused: { QGemm: 2 },
    },
    'Gemm before activations that the runtime would join with it': {
      row: [16],
      answer: [8],
      nodes: [
        makeNode('Gemm', ['x', 'w1'], ['g1']),
        makeNode('Tanh', ['g1'], ['t1']),
        makeNode('Gemm', ['t1', 'w2'], ['g2']),
        makeNode('Sigmoid', ['g2'], ['y']),
      ],
      initializers: [weights('w1', [16, 32], 16), weights('w2', [32, 8], 32)],
      fused: { QGemm: 2 },
      floats: 2,
    },
    'MatMul + Add of a matrix as Gemm': {
      row: [16],
      answer: [8],
      nodes: [
        makeNode('MatMul', ['x', 'w1'], ['m1']),
        makeNode('Add', ['b1', 'm1'], ['a1']),
        makeNode('Relu', ['a1'], ['r1']),
        makeNode('MatMul', ['r1', 'w2'], ['y']),
      ],
      initializers: [weights('w1', [16, 32], 16), weights('b1', [32], 4), weights('w2', [32, 8], 32)],
      fused: { QGemm: 1, MatMulIntegerToFloat: 1 },
    },
    'MatMul of sequences, and one between float operators': {
      row: [6, 16],
      answer: [6, 8],
      nodes: [
        makeNode('MatMul', ['x', 'w1'], ['m1']),
        makeNode('Relu', ['m1'], ['r1']),
        makeNode('MatMul', ['r1', 'w2'], ['m2']),
        makeNode('Softmax', ['m2'], ['s2'], { axis: int(-1) }),
        makeNode('MatMul', ['s2', 'w3'], ['y']),
      ],
      initializers: [weights('w1', [16, 32], 16), weights('w2', [32, 16], 32), weights('w3', [16, 8], 1)],
      fused: { QLinearMatMul: 1, MatMulIntegerToFloat: 2 },
    },
  };
  for (const [name, model] of Object.entries(cases)) {
    it(`for ${name}`, async () => {
      const bytes = build(model);
      const data = normalDataset('x', 48, model.row, 3);
      const { report, bytes: quantized } = await quantize(bytes, data);
      assert.deepEqual(report.expectedFused, model.fused);
      assert.deepEqual(report.skipped, []);
      await assertFused(quantized, report.expectedFused, model.floats ?? 0);
      const reached = await sqnr(bytes, quantized, normalDataset('x', 32, model.row, 4));
      assert.ok(reached > 28, `${reached} dB`);
    });
  }
});

describe('static INT8 of the benchmark models', () => {
  it('makes a perceptron a quarter as big at over 33 dB, by each method of calibration', async () => {
    const model = buildMlp512();
    const [data, validation] = [normalDataset('features', 256, [512], 7), normalDataset('features', 128, [512], 8)];
    for (const method of calibrationMethods) {
      const { report, bytes } = await quantize(model, data, { method });
      assert.ok(bytes.length / model.length < 0.26, `${bytes.length} bytes`);
      const reached = await sqnr(model, bytes, validation, 'logits');

      assert.ok(reached > 33, `${method}: ${reached} dB`);
      assert.match(report.title, new RegExp(`static INT8 \\(${method}, per channel\\)`));
    }
    const { bytes } = await quantize(model, data, { perChannel: false });
    assert.ok((await sqnr(model, bytes, validation, 'logits')) > 31);
    await assertFused(bytes, { QGemm: 4 });
    const reduced = await quantize(model, data, { reduceRange: true });
    assert.ok((await sqnr(model, reduced.bytes, validation, 'logits')) > 30);
  });

  it('makes a ResNet-18 a quarter as big at over 33 dB, all of it in integers', async () => {
    const model = buildResnet18();
    const { report, bytes } = await quantize(model, normalDataset('image', 6, [3, 224, 224], 7));
    assert.ok(bytes.length / model.length < 0.26, `${bytes.length} bytes`);
    assert.deepEqual(report.expectedFused, { QLinearConv: 20, QGemm: 1, QLinearAdd: 8, QLinearGlobalAveragePool: 1 });
    const found = await assertFused(bytes, report.expectedFused);
    assert.equal(found.QuantizeLinear, 1);
    const reached = await sqnr(model, bytes, normalDataset('image', 3, [3, 224, 224], 8), 'logits');
    assert.ok(reached > 33, `${reached} dB`);
  });
});

describe('static INT8 of models of other people', { skip: noFixtures }, () => {
  it('gets a face detector of opset 9 and a digit reader into integers', async () => {
    const cases = [
      { path: 'detect/ultraface/version-RFB-320.onnx', input: 'input', row: [3, 240, 320], fused: 52, atLeastDb: 30 },
      { path: 'classify/mnist/cnn_mnist_pytorch.onnx', input: '0', row: [1, 28, 28], fused: 2, atLeastDb: 25 },
    ];
    for (const { path, input, row, fused, atLeastDb } of cases) {
      const graph = loadModel(`${fixtures}/${path}`);
      const original = graph.toBytes();
      const data = normalDataset(input, 12, row);
      const report = await staticInt8(graph, {}, passContext(data));
      assert.equal(report.expectedFused!.QLinearConv, fused);
      const quantized = graph.check().toBytes();
      await assertFused(quantized, report.expectedFused, 8);
      const one = normalDataset(input, 1, row, 5);
      for (const { name } of graph.outputs) {
        const reached = await sqnr(original, quantized, one, name);
        assert.ok(reached > atLeastDb, `${name}: ${reached} dB`);
      }
    }
  });

  it('says of float16 weights that they are float16', async () => {
    const graph = loadModel(`${fixtures}/classify/squeezenet_fp16/SqueezeNet_fp16.onnx`);
    await assert.rejects(staticInt8(graph, {}, passContext(undefined)), /its weights are float16, not float32/);
  });
});
