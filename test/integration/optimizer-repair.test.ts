/** Repair after pruning in ONNX Runtime: least squares bring the answers back nearer to the original's. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { elementCount } from '../../src/core/tensor.ts';
import type { TensorLiteral } from '../../src/onnx-file/model.ts';
import { ints, makeNode, makeTensor, string } from '../../src/onnx-file/model.ts';
import type { Graph } from '../../src/optimizer/graph/graph.ts';
import { pruneMagnitude } from '../../src/optimizer/passes/prune-magnitude.ts';
import type { PruneStructuredSettings } from '../../src/optimizer/passes/prune-structured.ts';
import { pruneStructured } from '../../src/optimizer/passes/prune-structured.ts';
import { repair } from '../../src/optimizer/passes/repair.ts';
import { sqnrDb } from '../../src/optimizer/quantize/sqnr.ts';
import { answersOf, batchModel, normalSeries, padded, weightMaker } from './support/layer-models.ts';
import { normalDataset, passContext } from './support/optimizer-runner.ts';

const next = normalSeries(134);
const weight = weightMaker(next);

/** Pairs of channels that are nearly the same: half of them can stand for all. */
function twins(name: string, dims: readonly number[]): TensorLiteral {
  const values = next(dims);
  const noise = next(dims);
  const inner = elementCount(dims.slice(1));
  const step = dims.length === 2 ? 1 : inner;
  for (let i = 0; i < values.length; i++) {
    const place = dims.length === 2 ? i % dims[1]! : Math.floor(i / inner);
    if (place % 2 === 1) values[i] = values[i - step]! + 0.1 * noise[i]!;
  }
  return makeTensor(name, 'float32', dims, values);
}

describe('least-squares repair', () => {
  const perceptron = {
    input: [12],
    nodes: [
      makeNode('Gemm', ['x', 'w', 'b'], ['h']),
      makeNode('Relu', ['h'], ['r']),
      makeNode('Gemm', ['r', 'v'], ['i']),
      makeNode('Relu', ['i'], ['q']),
      makeNode('MatMul', ['q', 'last'], ['y']),
    ],
    constants: [twins('w', [12, 32]), weight('b', [32]), twins('v', [32, 32]), weight('last', [32, 4])],
  };
  const images = {
    input: [3, 10, 10],
    nodes: [
      makeNode('Conv', ['x', 'w'], ['h'], { ...padded, strides: ints([2, 2]) }),
      makeNode('Relu', ['h'], ['r']),
      makeNode('Conv', ['r', 'v'], ['y'], { ...padded, dilations: ints([1, 1]) }),
    ],
    constants: [twins('w', [16, 3, 3, 3]), weight('v', [6, 16, 3, 3])],
  };

  for (const [what, model, gain] of [
    ['perceptrons', perceptron, 4],
    ['convolutions with padding and strides', images, 2.5],
  ] as const) {
    it(`brings the answers of pruned ${what} nearer to the original's on rows it never saw`, async () => {
      const [calibration, unseen] = [normalDataset('x', 400, model.input, 1), normalDataset('x', 100, model.input, 2)];
      const before = await answersOf(batchModel(model), unseen);
      const quality = async (settings: PruneStructuredSettings): Promise<number> => {
        const graph = batchModel(model);
        await pruneStructured(graph, settings, passContext(calibration));
        return sqnrDb(before, await answersOf(graph, unseen));
      };
      const [raw, repaired] = [await quality({ repair: false }), await quality({})];
      assert.ok(repaired > raw + gain, `${raw} dB, repaired ${repaired} dB`);
    });
  }

  it('gives back the weights of a layer that were lost, with a bias that was not there', async () => {
    const original = batchModel(images);
    const graph = original.clone();
    const { dims } = graph.constantOf('v')!;
    graph.setInitializer(makeTensor('v', 'float32', dims, new Float32Array(elementCount(dims))));
    const context = passContext(normalDataset('x', 200, images.input, 1));
    const report = await repair(graph, { original, damping: 1e-7 }, context);
    assert.equal(report.changed.length, 1);
    assert.ok(sqnrDb(original.floats('v'), graph.floats('v')) > 40);
  });

  it('draws its patches where automatic padding puts the windows', async () => {
    const node = makeNode('Conv', ['r', 'v'], ['y'], { auto_pad: string('SAME_LOWER'), strides: ints([2, 1]) });
    const original = batchModel({ ...images, nodes: [...images.nodes.slice(0, 2), node], input: [3, 11, 11] });
    const graph = original.clone();
    const { dims } = graph.constantOf('v')!;
    graph.setInitializer(makeTensor('v', 'float32', dims, new Float32Array(elementCount(dims))));
    await repair(graph, { original, damping: 1e-7 }, passContext(normalDataset('x', 200, [3, 11, 11], 1)));
    assert.ok(sqnrDb(original.floats('v'), graph.floats('v')) > 40);
  });

  it('keeps zeros where it repairs after magnitude pruning, and does better than without', async () => {
    const [calibration, unseen] = [
      normalDataset('x', 400, perceptron.input, 1),
      normalDataset('x', 100, perceptron.input, 2),
    ];
    const before = await answersOf(batchModel(perceptron), unseen);
    const [raw, repaired] = [batchModel(perceptron), batchModel(perceptron)];
    const settings = { share: 0.5, scope: 'layer' } as const;
    await pruneMagnitude(raw, { ...settings, repair: false }, passContext(calibration));
    const report = await pruneMagnitude(repaired, settings, passContext(calibration));
    const zeros = (graph: Graph): number[] =>
      ['w', 'v', 'last'].map((name) => graph.floats(name).filter((value) => value === 0).length);
    assert.deepEqual(zeros(raw), [192, 512, 64]);
    assert.deepEqual(zeros(repaired), zeros(raw));
    const qualities = [sqnrDb(before, await answersOf(raw, unseen)), sqnrDb(before, await answersOf(repaired, unseen))];
    assert.ok(qualities[1]! > qualities[0]! + 3, String(qualities));
    assert.match(report.notes.join(' '), /no CPU runtime is faster/);
  });

  it('prunes over all layers at once by one threshold', async () => {
    const graph = batchModel(perceptron);
    await pruneMagnitude(graph, { share: 0.75 }, passContext(undefined));
    const all = ['w', 'v', 'last'].map((name) => graph.floats(name));
    const zeros = all.map((values) => values.filter((value) => value === 0).length);
    assert.equal(
      zeros.reduce((sum, count) => sum + count),
      0.75 * all.reduce((sum, { length }) => sum + length, 0),
    );
    const smallest = Math.min(...all.flatMap((values) => [...values].filter((value) => value !== 0).map(Math.abs)));
    assert.ok(smallest > 0.5);
  });

  it('refuses weights that are no numbers, by name, and repair without data', async () => {
    const graph = batchModel(perceptron);
    graph.setInitializer(makeTensor('v', 'float32', [32, 32], new Float32Array(1024).fill(Number.NaN)));
    await assert.rejects(pruneMagnitude(graph, {}, passContext(undefined)), /Weight "v" of Gemm "i" has NaN/);
    await assert.rejects(repair(graph, { original: graph }, passContext(undefined)), /needs calibration data/);
  });
});
