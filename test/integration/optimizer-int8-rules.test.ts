import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildMlp512 } from '../../bench/models.ts';
import type { Node, TensorLiteral } from '../../src/onnx-file/model.ts';
import { float, int, ints, makeNode, makeTensor } from '../../src/onnx-file/model.ts';
import { graphFromBytes } from '../../src/optimizer/graph/load.ts';
import type { Feeds } from '../../src/optimizer/pass.ts';
import { raiseOpset } from '../../src/optimizer/passes/qdq/raise-opset.ts';
import { staticInt8 } from '../../src/optimizer/passes/static-int8.ts';
import type { SmallModel } from './support/int8-models.ts';
import { assertFused, build, kernel, quantize, refusal, sqnr, weights } from './support/int8-models.ts';
import { datasetOf, normalDataset, normalValues, passContext, runRows } from './support/optimizer-runner.ts';

describe('static INT8 leaves alone', () => {
  const data = normalDataset('x', 8, [16], 3);
  const layer = makeNode('Gemm', ['h', 'w'], ['y'], {}, { name: 'good' });
  const cases: Record<string, { nodes: Node[]; initializers: TensorLiteral[] }> = {
    'its weights are shared with another node': {
      nodes: [makeNode('MatMul', ['x', 'a'], ['h1']), makeNode('MatMul', ['h1', 'a'], ['h'])],
      initializers: [weights('a', [16, 16], 16)],
    },
    'both its inputs are computed by the model': {
      nodes: [
        makeNode('Transpose', ['x'], ['t']),
        makeNode('MatMul', ['x', 't'], ['g']),
        makeNode('MatMul', ['g', 'x'], ['h']),
      ],
      initializers: [],
    },
    'its left input is the constant one': {
      nodes: [
        makeNode('Transpose', ['x'], ['t']),
        makeNode('MatMul', ['a', 't'], ['g']),
        makeNode('Transpose', ['g'], ['h']),
      ],
      initializers: [weights('a', [16, 16], 16)],
    },
    'its bias is computed by the model': {
      nodes: [makeNode('Neg', ['b'], ['minus']), makeNode('Gemm', ['x', 'a', 'minus'], ['h'])],
      initializers: [weights('a', [16, 16], 16), weights('b', [16], 16)],
    },
    'excluded by the settings': {
      nodes: [makeNode('Gemm', ['x', 'a'], ['h'], {}, { name: 'excluded' })],
      initializers: [weights('a', [16, 16], 16)],
    },
  };
  for (const [reason, { nodes, initializers }] of Object.entries(cases)) {
    it(`a layer and says: ${reason}`, async () => {
      const bytes = build({
        nodes: [...nodes, layer],
        initializers: [...initializers, weights('w', [16, 4], 16)],
        row: [16],
        answer: [4],
      });
      const { report, bytes: quantized } = await quantize(bytes, data, { exclude: ['excluded'] });
      assert.deepEqual(
        report.changed.map(({ node }) => node),
        ['good'],
      );
      assert.ok(report.skipped.length > 0);
      for (const skipped of report.skipped) assert.equal(skipped.what, reason);
      assert.ok((await sqnr(bytes, quantized, data)) > 28);
    });
  }

  it('a convolution that makes an output of the model', async () => {
    const bytes = build({
      nodes: [
        makeNode('Conv', ['x', 'w1'], ['c1'], kernel(3, 1, 1)),
        makeNode('Conv', ['c1', 'w2'], ['c2'], kernel(3, 1, 1)),
        makeNode('Relu', ['c2'], ['y']),
      ],
      initializers: [weights('w1', [4, 3, 3, 3], 27), weights('w2', [4, 4, 3, 3], 36)],
      row: [3, 8, 8],
      answer: [4, 8, 8],
    });
    const { report } = await quantize(bytes, normalDataset('x', 4, [3, 8, 8]));
    assert.deepEqual(report.skipped, [
      { node: 'c2', opType: 'Conv', what: 'it makes an output of the model, which stays float' },
    ]);
  });

  it('norms that were not folded, and says so', async () => {
    const bytes = build({
      nodes: [
        makeNode('Conv', ['x', 'w1'], ['c1'], kernel(3, 1, 1)),
        makeNode('BatchNormalization', ['c1', 'ones', 'zeros', 'zeros', 'ones'], ['n1']),
        makeNode('GlobalAveragePool', ['n1'], ['y']),
      ],
      initializers: [
        weights('w1', [4, 3, 3, 3], 27),
        makeTensor('ones', 'float32', [4], new Float32Array(4).fill(1)),
        makeTensor('zeros', 'float32', [4], new Float32Array(4)),
      ],
      row: [3, 8, 8],
      answer: [4, 1, 1],
    });
    const { report } = await quantize(bytes, normalDataset('x', 4, [3, 8, 8]));
    assert.equal(report.notes.length, 1);
    assert.match(report.notes[0]!, /^1 BatchNormalization nodes are left: fold them/);
  });

  it('the first and last layers on request', async () => {
    const { report } = await quantize(buildMlp512(), normalDataset('features', 8, [512]), {
      keepFirst: true,
      keepLast: true,
    });
    assert.deepEqual(
      report.changed.map(({ node }) => node),
      ['sums1', 'sums2'],
    );
    assert.deepEqual(
      report.skipped.map(({ what }) => what),
      ['a first layer, kept float', 'a last layer, kept float'],
    );
  });
});

describe('static INT8 of odd numbers', () => {
  it('keeps channels that are all zero at zero, and biases that would overflow', async () => {
    const w = weights('w', [16, 4], 16);
    const values = new Float32Array(w.raw.buffer);
    for (let row = 0; row < 16; row++) {
      values[row * 4] = 0;
      values[row * 4 + 1]! *= 1e-9;
    }
    const bias = makeTensor('b', 'float32', [4], Float32Array.of(0, 100, 1, -2));
    const bytes = build({
      nodes: [makeNode('Gemm', ['x', 'w', 'b'], ['y'])],
      initializers: [w, bias],
      row: [16],
      answer: [4],
    });
    const data = normalDataset('x', 16, [16]);
    const { bytes: quantized } = await quantize(bytes, data);
    const answers = (await runRows(quantized, data)).y!.data as Float32Array;
    for (let row = 0; row < 16; row++) {
      assert.equal(answers[row * 4], 0);
      assert.ok(Math.abs(answers[row * 4 + 1]! - 100) < 1e-3, `${answers[row * 4 + 1]}`);
    }
    await assertFused(quantized, { QGemm: 1 });
  });

  it('refuses weights that are no numbers, with the name of the node', async () => {
    const w = weights('w', [16, 4], 16);
    new Float32Array(w.raw.buffer)[5] = Number.NaN;
    const node = makeNode('Gemm', ['x', 'w'], ['y'], {}, { name: 'broken' });
    const bytes = build({ nodes: [node], initializers: [w], row: [16], answer: [4] });
    await assert.rejects(quantize(bytes, normalDataset('x', 4, [16])), refusal(/"w" of node "broken" \(Gemm\)/));
  });

  it('refuses data with NaN or infinity with the name of the value, no data, and a model without layers', async () => {
    const model = buildMlp512();
    const values = normalValues(8 * 512);
    values[700] = Number.POSITIVE_INFINITY;
    const feeds: Feeds = { features: { datatype: 'float32', shape: [8, 512], data: values } };
    await assert.rejects(quantize(model, datasetOf(feeds)), refusal(/"features".*Infinity at element/));
    await assert.rejects(quantize(model, undefined), refusal(/needs calibration data/));
    await assert.rejects(quantize(model, normalDataset('features', 0, [512])), refusal(/at least one row/));
    await assert.rejects(quantize(model, normalDataset('features', 2, [511])), /511/);
    const plain = build({ nodes: [makeNode('Relu', ['x'], ['y'])], initializers: [], row: [4], answer: [4] });
    await assert.rejects(quantize(plain, normalDataset('x', 4, [4])), refusal(/no Conv, Gemm or MatMul/));
  });

  it('stops when it is cancelled', async () => {
    const context = passContext(normalDataset('features', 64, [512]), { signal: AbortSignal.abort() });
    await assert.rejects(staticInt8(graphFromBytes(buildMlp512()), {}, context), refusal(/cancelled/, 'CANCELLED'));
  });
});

describe('raising the opset', () => {
  const old: SmallModel = {
    opset: 9,
    row: [3, 8, 8],
    answer: [],
    nodes: [
      makeNode('Slice', ['x'], ['s'], { axes: ints([2]), starts: ints([0]), ends: ints([9223372036854775807n]) }),
      makeNode('Pad', ['s'], ['p'], { pads: ints([0, 0, 1, 1, 0, 0, 1, 1]), value: float(0.5) }),
      makeNode('Conv', ['p', 'w'], ['c'], kernel(3)),
      makeNode('Clip', ['c'], ['r'], { min: float(0), max: float(6) }),
      makeNode('Upsample', ['r', 'scales'], ['u'], {}),
      makeNode('Conv', ['u', 'w2'], ['c2'], kernel(1)),
      makeNode('ReduceSum', ['c2'], ['sum'], { axes: ints([3]), keepdims: int(1) }),
      makeNode('Squeeze', ['sum'], ['flat'], { axes: ints([3]) }),
      makeNode('Split', ['flat'], ['a', 'b'], { axis: int(1), split: ints([2, 2]) }),
      makeNode('Add', ['a', 'b'], ['ab']),
      makeNode('Dropout', ['ab'], ['drop']),
      makeNode('Softmax', ['drop'], ['y'], { axis: int(1) }),
    ],
    initializers: [
      weights('w', [4, 3, 3, 3], 27),
      weights('w2', [4, 4, 1, 1], 4),
      makeTensor('scales', 'float32', [4], Float32Array.of(1, 1, 2, 2)),
    ],
  };

  it('rewrites what changed, with the same answers', async () => {
    const bytes = build({ ...old, answer: [2, 16] });
    const graph = graphFromBytes(bytes);
    assert.equal(raiseOpset(graph), undefined);
    assert.equal(graph.head.opset(), 13);
    const data = normalDataset('x', 4, old.row);
    assert.ok((await sqnr(bytes, graph.check().toBytes(), data)) > 120);
    const { report, bytes: quantized } = await quantize(bytes, data);
    assert.deepEqual([report.notes, report.expectedFused], [[], { QLinearConv: 2 }]);
    assert.ok((await sqnr(bytes, quantized, data)) > 25);
  });

  it('is given up where an operator cannot be rewritten, and the quantizers of the runtime fuse as well', async () => {
    const bytes = build({
      opset: 11,
      row: old.row,
      answer: [4],
      nodes: [
        makeNode('Conv', ['x', 'w'], ['c'], kernel(3)),
        makeNode('Relu', ['c'], ['r']),
        makeNode('Conv', ['r', 'w2'], ['c2'], kernel(1)),
        makeNode('Add', ['c2', 'r'], ['sum']),
        makeNode('GlobalAveragePool', ['sum'], ['mean']),
        makeNode('Flatten', ['mean'], ['flat']),
        makeNode('Gemm', ['flat', 'w3'], ['logits']),
        makeNode('Softmax', ['logits'], ['y'], { axis: int(-2) }),
      ],
      initializers: [...old.initializers, weights('w3', [4, 4], 4)],
    });
    const data = normalDataset('x', 16, old.row);
    const { report, graph, bytes: quantized } = await quantize(bytes, data);
    assert.match(report.notes[0]!, /opset stays below 13 .*Softmax.*opset 13 on/);
    assert.equal(graph.head.opset(), 11);
    assert.deepEqual(report.expectedFused, { QLinearConv: 2, QLinearAdd: 1, QLinearGlobalAveragePool: 1, QGemm: 1 });
    await assertFused(quantized, report.expectedFused);
    assert.ok((await sqnr(bytes, quantized, data)) > 28);
  });
});
