/** Training in ONNX Runtime: perceptrons, fine-tuning, distillation, and rounding in the way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/core/seeded-random.ts';
import type { Tensor } from '../../src/core/tensor.ts';
import { elementCount } from '../../src/core/tensor.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import { makeNode, makeTensor } from '../../src/onnx-file/model.ts';
import { activationRanges } from '../../src/optimizer/finetune/activation-ranges.ts';
import { distil, fineTune } from '../../src/optimizer/finetune/fine-tune.ts';
import { mlpToOnnx } from '../../src/optimizer/finetune/mlp/mlp-model.ts';
import { trainMlp } from '../../src/optimizer/finetune/mlp/train-mlp.ts';
import { buildStepGraph } from '../../src/optimizer/finetune/step-graph.ts';
import type { Graph } from '../../src/optimizer/graph/graph.ts';
import { graphFromBytes } from '../../src/optimizer/graph/load.ts';
import { furtherTraining } from '../../src/optimizer/passes/further-training.ts';
import { networkScores } from '../../src/training/network/network.ts';
import { attributes, layerModel, normalSeries, weightMaker } from './support/layer-models.ts';
import { datasetOf, normalValues, passContext, runRows, testRunner } from './support/optimizer-runner.ts';

const weight = weightMaker(normalSeries(114), 0.5);

/** Rows of two features in a ring within a ring: no line parts the classes. */
function rings(
  rows: number,
  rowSeed: number,
  [scale, centre]: readonly [number, number] = [100, 500],
): { features: Float32Array<ArrayBuffer>; labels: Int32Array<ArrayBuffer> } {
  const random = seededRandom(rowSeed);
  const features = new Float32Array(rows * 2);
  const labels = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    const angle = random() * 2 * Math.PI;
    const outer = random() < 0.5 ? 0 : 1;
    const radius = scale * (1 + outer + 0.2 * (random() - 0.5));
    features.set([radius * Math.cos(angle) + centre, radius * Math.sin(angle)], row * 2);
    labels[row] = outer;
  }
  return { features, labels };
}

const trainingContext = (randomSeed = 1) => ({ ...passContext(undefined), random: seededRandom(randomSeed) });

async function accuracy(graph: Graph, { features, labels }: ReturnType<typeof rings>): Promise<number> {
  const data = datasetOf({ features: { datatype: 'float32', shape: [labels.length, 2], data: features } });
  const [answers] = Object.values(await runRows(graph.toBytes(), data));
  const values = answers!.data as Float32Array;
  return (
    labels.filter((label, row) => Number(values[row * 2 + 1]! > values[row * 2]!) === label).length / labels.length
  );
}

describe('training of perceptrons', () => {
  it('learns classes that no line parts, from unscaled features, and stops early', async () => {
    const train = rings(600, 1);
    const target = { task: 'classification', labels: train.labels, classCount: 2 } as const;
    const matrix = { values: train.features, rows: 600, columns: 2 };
    const options = { hidden: [16, 16], epochs: 150, learningRate: 0.01 };
    const trained = await trainMlp(matrix, target, options, trainingContext());
    const graph = graphFromBytes(encodeModel(mlpToOnnx(trained.mlp, { answers: 'logits' })));
    assert.ok((await accuracy(graph, rings(500, 2))) > 0.97);
    assert.equal(trained.history.length, trained.epochs);
    assert.ok(trained.loss < trained.history[0]!.heldOut);
  });

  it('gives the same model for the same seed, and another for another', async () => {
    const train = rings(200, 1);
    const target = { task: 'classification', labels: train.labels, classCount: 2 } as const;
    const make = async (randomSeed: number): Promise<Uint8Array> => {
      const matrix = { values: train.features, rows: 200, columns: 2 };
      const { mlp } = await trainMlp(matrix, target, { hidden: [8], epochs: 5 }, trainingContext(randomSeed));
      return encodeModel(mlpToOnnx(mlp));
    };
    const [first, again, other] = [await make(1), await make(1), await make(2)];
    assert.deepEqual(again, first);
    assert.notDeepEqual(other, first);
  });

  it('learns numbers on their own scale', async () => {
    const make = (rows: number, rowSeed: number) => {
      const values = normalValues(rows * 3, rowSeed);
      const wanted = Float64Array.from({ length: rows }, (_, row) => {
        const [a, b, c] = values.subarray(row * 3, row * 3 + 3) as unknown as [number, number, number];
        return 5000 + 1000 * Math.sin(a) + 500 * b * c;
      });
      return { values, wanted, rows, columns: 3 };
    };
    const [train, unseen] = [make(2000, 1), make(500, 2)];
    const options = { hidden: [32, 32], epochs: 60, learningRate: 0.005 };
    const trained = await trainMlp(train, { task: 'regression', values: train.wanted }, options, trainingContext());
    const data = datasetOf({ features: { datatype: 'float32', shape: [500, 3], data: unseen.values } });
    const answers = (await runRows(encodeModel(mlpToOnnx(trained.mlp)), data)).values!.data as Float32Array;
    const own = networkScores(trained.mlp, unseen);
    assert.ok(
      own.every((value, row) => Math.abs(value - answers[row]!) < 0.01),
      'the exported model answers otherwise',
    );
    const errors = answers.reduce((sum, value, row) => sum + (value - unseen.wanted[row]!) ** 2, 0) / 500;
    const mean = unseen.wanted.reduce((sum, value) => sum + value / 500, 0);
    const spread = unseen.wanted.reduce((sum, value) => sum + (value - mean) ** 2 / 500, 0);
    assert.ok(errors < 0.05 * spread, `squared error ${errors} of ${spread}`);
  });

  it('refuses what nothing can be learned from, naming it', async () => {
    const matrix = { values: Float32Array.of(1, 2, Number.NaN, 4), rows: 2, columns: 2 };
    const target = { task: 'classification', labels: [0, 1], classCount: 2 } as const;
    await assert.rejects(trainMlp(matrix, target, {}, trainingContext()), /features must be finite/);
    const sound = { ...matrix, values: Float32Array.of(1, 2, 3, 4) };
    await assert.rejects(
      trainMlp(sound, { ...target, labels: [0, 2] }, {}, trainingContext()),
      /labels must be from 0 to 1/,
    );
    await assert.rejects(trainMlp(sound, target, { epochs: 0 }, trainingContext()), /epochs must be a whole number/);
  });
});

describe('fine-tuning', () => {
  const rows = rings(600, 3, [1, 0]);
  const data = datasetOf({ features: { datatype: 'float32', shape: [600, 2], data: rows.features } }, rows.labels);

  async function trainedRings(): Promise<Graph> {
    const matrix = { values: rows.features, rows: 600, columns: 2 };
    const target = { task: 'classification', labels: rows.labels, classCount: 2 } as const;
    const options = { hidden: [16, 16], epochs: 60, learningRate: 0.01 };
    const { mlp } = await trainMlp(matrix, target, options, trainingContext());
    return graphFromBytes(encodeModel(mlpToOnnx(mlp, { answers: 'probabilities' })));
  }

  function damage(graph: Graph): void {
    for (const name of ['weights1', 'weights2']) {
      const { dims } = graph.constantOf(name)!;
      const noise = normalValues(elementCount(dims), 8);
      const values = Float32Array.from(graph.floats(name), (value, i) => (i % 3 === 0 ? 0 : value + 0.3 * noise[i]!));
      graph.setInitializer(makeTensor(name, 'float32', dims, values));
    }
  }

  it('brings a damaged classifier back with labels, by the logits before its Softmax, and leaves zeros alone', async () => {
    const graph = await trainedRings();
    damage(graph);
    const zeros = graph.floats('weights1').filter((value) => value === 0).length;
    const settings = { keepZeros: true, learningRate: 0.01, steps: 200, output: 'probabilities' };
    const report = await fineTune(graph, data, settings, passContext(undefined));
    assert.equal(report.loss, 'cross-entropy');
    assert.ok(report.lossAfter < 0.5 * report.lossBefore, `${report.lossBefore} to ${report.lossAfter}`);
    assert.equal(graph.floats('weights1').filter((value) => value === 0).length, zeros);
    assert.ok(graph.isGraphOutput('label'));
  });

  it('learns from its original without labels', async () => {
    const teacher = await trainedRings();
    const graph = teacher.clone();
    damage(graph);
    const unlabelled = { ...data, labels: undefined };
    const settings = { learningRate: 0.01, steps: 200 };
    const report = await distil(graph, teacher, unlabelled, settings, passContext(undefined));
    assert.ok(report.lossAfter < 0.5 * report.lossBefore, `${report.lossBefore} to ${report.lossAfter}`);
    await assert.rejects(fineTune(graph, unlabelled, {}, passContext(undefined)), /needs labels/);
  });

  it('keeps the weights it had where training makes them no better', async () => {
    const graph = await trainedRings();
    const before = graph.toBytes();
    const report = await fineTune(graph, data, { learningRate: 1, steps: 12 }, passContext(undefined));
    assert.equal(report.lossAfter, report.lossBefore);
    assert.deepEqual(graph.floats('weights1'), graphFromBytes(before).floats('weights1'));
  });

  it('trains with the rounding of weights and inputs in the way', async () => {
    const teacher = await trainedRings();
    const graph = teacher.clone();
    const activations = await activationRanges(graph, data, passContext(undefined));
    assert.ok(activations.get('hidden0')![1] > 0 && activations.get('features')![0] < -1);
    const settings = { fakeQuantization: { weightBits: 2, activations }, learningRate: 0.003, steps: 200 };
    const report = await distil(graph, teacher, { ...data, labels: undefined }, settings, passContext(undefined));
    // The loss is that of the rounded model from the first step on.
    assert.ok(report.lossAfter < 0.8 * report.lossBefore, `${report.lossBefore} to ${report.lossAfter}`);
    assert.equal(
      graph.nodes.some(({ opType }) => opType === 'Round'),
      false,
    );
  });

  it('is a pass that needs rows and the original, and says what it did', async () => {
    const original = await trainedRings();
    const graph = original.clone();
    damage(graph);
    const settings = { learningRate: 0.01, steps: 200 };
    const report = await furtherTraining(graph, settings, passContext(data, { original }));
    const [before, after] = /cross-entropy against the original (\S+) -> (\S+)/.exec(report.notes.at(-1)!)!.slice(1);
    assert.ok(Number(after) < 0.5 * Number(before), `${before} to ${after}`);
    assert.ok(report.changed.some(({ node }) => node === 'weights1'));
    assert.deepEqual(original.toBytes(), (await trainedRings()).toBytes());
    const rounded = original.clone();
    const aware = await furtherTraining(rounded, { ...settings, weightBits: 2 }, passContext(data, { original }));
    assert.match(aware.title, /training for INT2/);
    assert.notDeepEqual(rounded.floats('weights1'), original.floats('weights1'));
    await assert.rejects(furtherTraining(graph, settings, passContext(data)), /the model it came from/);
    await assert.rejects(furtherTraining(graph, settings, passContext(undefined, { original })), /needs rows/);
  });

  it('trains a convolution net with pools and a residual sum on the answers of its original', async () => {
    const nodes = [
      makeNode('Conv', ['x', 'w0', 'b0'], ['c0'], attributes({ pads: [1, 1, 1, 1] })),
      makeNode('Relu', ['c0'], ['r0']),
      makeNode('MaxPool', ['r0'], ['p0'], attributes({ kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] })),
      makeNode('Conv', ['p0', 'w1', 'b1'], ['c1'], attributes({ pads: [1, 1, 1, 1] })),
      makeNode('Sigmoid', ['c1'], ['g1']),
      makeNode('Mul', ['c1', 'g1'], ['s1']),
      makeNode('Add', ['p0', 's1'], ['sum']),
      makeNode('GlobalAveragePool', ['sum'], ['mean']),
      makeNode('Flatten', ['mean'], ['flat']),
      makeNode('Gemm', ['flat', 'w2', 'b2'], ['y']),
    ];
    const constants = [
      ...[weight('w0', [8, 3, 3, 3]), weight('b0', [8]), weight('w1', [8, 8, 3, 3], 0.2), weight('b1', [8])],
      ...[weight('w2', [8, 5]), weight('b2', [5])],
    ];
    const model = (opset: number): Graph => layerModel({ input: ['batch', 3, 12, 12], nodes, constants, opset });
    const teacher = model(11);
    const graph = teacher.clone();
    const noise = normalValues(elementCount([8, 8, 3, 3]), 4);
    const worse = Float32Array.from(graph.floats('w1'), (value, i) => value + 0.1 * noise[i]!);
    graph.setInitializer(makeTensor('w1', 'float32', [8, 8, 3, 3], worse));
    const images = normalValues(96 * 432, 12);
    const data = datasetOf({ x: { datatype: 'float32', shape: [96, 3, 12, 12], data: images } });
    const settings = { steps: 100, learningRate: 0.003, batchSize: 16 };
    const report = await distil(graph, teacher, data, settings, passContext(undefined));
    assert.ok(report.lossAfter < 0.3 * report.lossBefore, `${report.lossBefore} to ${report.lossAfter}`);
    assert.deepEqual(report.trained, ['w0', 'b0', 'w1', 'b1', 'w2', 'b2']);
    assert.equal(graph.head.opset(), 11);
  });

  it('says which node no gradient passes, and trains what lies behind it', async () => {
    const nodes = [
      makeNode('Gemm', ['x', 'w', 'b'], ['h']),
      makeNode('Sin', ['h'], ['s'], {}, { name: 'wave' }),
      makeNode('MatMul', ['s', 'v'], ['y']),
    ];
    const constants = [weight('w', [4, 5]), weight('b', [5]), weight('v', [5, 1])];
    const graph = layerModel({ input: [8, 4], nodes, constants });
    const x: Tensor = { datatype: 'float32', shape: [8, 4], data: normalValues(32) };
    const step = await buildStepGraph(graph, { loss: 'mse', output: 'y' }, { x }, testRunner);
    assert.deepEqual(
      step.parameters.map(({ name }) => name),
      ['v'],
    );
    assert.match(step.notes.join(' '), /"wave" \(Sin\)/);
  });
});
