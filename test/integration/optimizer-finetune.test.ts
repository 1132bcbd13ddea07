/** Training steps in ONNX Runtime: gradients against finite differences, fine-tuning, distillation, and rounding in the way. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/core/seeded-random.ts';
import type { Tensor } from '../../src/core/tensor.ts';
import { elementCount } from '../../src/core/tensor.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import type { Attribute, Node, TensorLiteral } from '../../src/onnx-file/model.ts';
import { float, int, ints, makeModel, makeNode, makeTensor, makeValueInfo, string } from '../../src/onnx-file/model.ts';
import { activationRanges } from '../../src/optimizer/finetune/activation-ranges.ts';
import { distil, fineTune } from '../../src/optimizer/finetune/fine-tune.ts';
import { gradientRules } from '../../src/optimizer/finetune/gradients/table.ts';
import type { Loss } from '../../src/optimizer/finetune/loss.ts';
import { mlpToOnnx } from '../../src/optimizer/finetune/mlp/mlp-model.ts';
import { trainMlp } from '../../src/optimizer/finetune/mlp/train-mlp.ts';
import { buildStepGraph } from '../../src/optimizer/finetune/step-graph.ts';
import type { Graph } from '../../src/optimizer/graph/graph.ts';
import { graphFromBytes } from '../../src/optimizer/graph/load.ts';
import { furtherTraining } from '../../src/optimizer/passes/further-training.ts';
import { networkScores } from '../../src/training/network/network.ts';
import { datasetOf, normalValues, passContext, runRows, testRunner } from './support/optimizer-runner.ts';

/** A model from `x` to `y`: a trained layer, then what is tested. */
interface Case {
  readonly op: string;
  readonly what: string;
  readonly input: readonly number[];
  readonly nodes: readonly Node[];
  readonly constants: readonly TensorLiteral[];
  readonly loss?: Loss;
  readonly opset?: number;
}

let seed = 0;
const weight = (name: string, dims: readonly number[], scale = 0.5): TensorLiteral =>
  makeTensor(
    name,
    'float32',
    dims,
    normalValues(elementCount(dims), ++seed).map((value) => value * scale),
  );
const whole = (name: string, values: readonly number[]): TensorLiteral =>
  makeTensor(name, 'int64', [values.length], BigInt64Array.from(values, BigInt));
const attributes = (given: Readonly<Record<string, number | readonly number[] | string>>): Record<string, Attribute> =>
  Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      name,
      typeof value === 'number' ? int(value) : typeof value === 'string' ? string(value) : ints(value),
    ]),
  );

/** x [3, 4] through Gemm to `h` [3, 5], then `op`. */
function onRows(
  op: string,
  what: string,
  extra: Partial<Case> = {},
  given: Record<string, Attribute> = {},
  more: readonly string[] = [],
): Case {
  const nodes = [makeNode('Gemm', ['x', 'w', 'b'], ['h']), makeNode(op, ['h', ...more], ['y'], given)];
  return {
    op,
    what,
    input: [3, 4],
    nodes,
    ...extra,
    constants: [weight('w', [4, 5]), weight('b', [5]), ...(extra.constants ?? [])],
  };
}

/** x [2, 4, 7, 6] through a 1x1 Conv to `h` [2, 4, 7, 6], then `op`. */
function onImages(
  op: string,
  what: string,
  given: Record<string, Attribute>,
  more: readonly TensorLiteral[] = [],
  extra: Partial<Case> = {},
): Case {
  const nodes = [
    makeNode('Conv', ['x', 'w', 'b'], ['h']),
    makeNode(op, ['h', ...more.map(({ name }) => name)], ['y'], given),
  ];
  return {
    op,
    what,
    input: [2, 4, 7, 6],
    nodes,
    ...extra,
    constants: [weight('w', [4, 4, 1, 1]), weight('b', [4]), ...more],
  };
}

function convCase(
  what: string,
  dims: readonly number[],
  given: Readonly<Record<string, number | readonly number[] | string>>,
): Case {
  return onImages('Conv', what, attributes(given), [weight('k', dims), weight('c', [dims[0]!])]);
}

const square = [weight('m', [5, 5])];
const cases: readonly Case[] = [
  onRows('Gemm', 'without transposition', { constants: square }, { alpha: float(0.7) }, ['m']),
  onRows(
    'Gemm',
    'with transposed weights and a scaled bias',
    { constants: [...square, weight('c', [1, 5])] },
    { transB: int(1), beta: float(2) },
    ['m', 'c'],
  ),
  {
    op: 'Gemm',
    what: 'with both transposed',
    input: [4, 3],
    nodes: [
      makeNode('MatMul', ['q', 'x'], ['h']),
      makeNode('Gemm', ['h', 'w'], ['y'], { transA: int(1), transB: int(1) }),
    ],
    constants: [weight('q', [4, 4]), weight('w', [5, 4])],
  },
  onRows('MatMul', 'of rows', { constants: square }, {}, ['m']),
  {
    op: 'MatMul',
    what: 'of batches of matrices with shared weights and with each other',
    input: [2, 3, 4],
    nodes: [
      makeNode('MatMul', ['x', 'w'], ['a']),
      makeNode('Transpose', ['a'], ['t'], { perm: ints([0, 2, 1]) }),
      makeNode('MatMul', ['a', 't'], ['y']),
    ],
    constants: [weight('w', [4, 5])],
  },
  convCase('1 x 1', [5, 4, 1, 1], {}),
  convCase('3 x 3 with padding', [5, 4, 3, 3], { pads: [1, 1, 1, 1] }),
  convCase('3 x 3, stride 2, uneven padding', [5, 4, 3, 3], { strides: [2, 2], pads: [1, 0, 0, 1] }),
  convCase('2 x 3, stride 3, a rest that no window reaches', [5, 4, 2, 3], { strides: [3, 2] }),
  convCase('3 x 3, dilated', [5, 4, 3, 3], { dilations: [2, 2], pads: [2, 2, 2, 2] }),
  convCase('3 x 3, stride 2, SAME_UPPER', [5, 4, 3, 3], { strides: [2, 2], auto_pad: 'SAME_UPPER' }),
  convCase('depthwise', [4, 1, 3, 3], { group: 4, pads: [1, 1, 1, 1], strides: [2, 2] }),
  convCase('in two groups', [6, 2, 3, 3], { group: 2, pads: [1, 1, 1, 1] }),
  onRows('Add', 'with a broadcast constant', { constants: [weight('c', [5])] }, {}, ['c']),
  onRows('Add', 'of a value and itself', {}, {}, ['h']),
  onRows('Sub', 'of what one layer made', { constants: [] }, {}, ['x_first']),
  onRows('Mul', 'with itself', {}, {}, ['h']),
  onRows('Div', 'by a constant and of a constant', { constants: [weight('c', [1, 5], 2)] }, {}, ['c']),
  onRows('Relu', 'of rows'),
  onRows('LeakyRelu', 'of rows', {}, { alpha: float(0.2) }),
  onRows('Sigmoid', 'of rows'),
  onRows('Tanh', 'of rows'),
  onRows('Erf', 'of rows'),
  onRows('Clip', 'between limits', { constants: [scalar('low', -0.5), scalar('high', 0.6)] }, {}, ['low', 'high']),
  onRows('Clip', 'with attributes, as before opset 11', { opset: 10 }, { min: float(-0.5), max: float(0.6) }),
  onRows('Softmax', 'of rows', {}, { axis: int(1) }),
  onRows('Softmax', 'along another axis', {}, { axis: int(0) }),
  onRows('LogSoftmax', 'of rows'),
  onRows('Identity', 'with cross-entropy', { loss: 'cross-entropy' }),
  onRows('Dropout', 'as in use'),
  onRows('Flatten', 'of rows'),
  onRows('Reshape', 'to another rank', { constants: [whole('shape', [3, 5, 1])] }, {}, ['shape']),
  onRows('Unsqueeze', 'in front', { constants: [whole('axes', [0])] }, {}, ['axes']),
  {
    ...onRows('Squeeze', 'of one axis', { constants: [whole('axes', [0])] }),
    nodes: [
      makeNode('Gemm', ['x', 'w', 'b'], ['h']),
      makeNode('Unsqueeze', ['h', 'axes'], ['u']),
      makeNode('Squeeze', ['u', 'axes'], ['y']),
    ],
  },
  onImages('Transpose', 'of images', attributes({ perm: [0, 2, 3, 1] })),
  onRows('Concat', 'with itself', {}, { axis: int(-1) }, ['h']),
  onRows('ReduceMean', 'of columns', {}, { axes: ints([1]), keepdims: int(0) }),
  onImages('ReduceMean', 'of the picture', attributes({ axes: [2, 3], keepdims: 1 })),
  onImages('GlobalAveragePool', 'of images', {}),
  onImages('AveragePool', '2 x 2', attributes({ kernel_shape: [2, 2], strides: [2, 2] })),
  onImages(
    'AveragePool',
    '3 x 3 with padding that does not count',
    attributes({ kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  ),
  onImages(
    'AveragePool',
    '3 x 3 with padding that counts',
    attributes({ kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 }),
  ),
  onImages(
    'AveragePool',
    '3 x 2 with a window that hangs over',
    attributes({ kernel_shape: [3, 2], strides: [3, 2], ceil_mode: 1 }),
  ),
  onImages('MaxPool', '2 x 2', attributes({ kernel_shape: [2, 2], strides: [2, 2] })),
  onImages(
    'MaxPool',
    '3 x 3 with windows that overlap',
    attributes({ kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  ),
  onImages('BatchNormalization', 'as in use', {}, [
    weight('scale', [4]),
    weight('shift', [4]),
    weight('mean', [4]),
    makeTensor('variance', 'float32', [4], Float32Array.of(0.5, 1, 2, 3)),
  ]),
];

function scalar(name: string, value: number): TensorLiteral {
  return makeTensor(name, 'float32', [], Float32Array.of(value));
}

function modelOf({ nodes, constants, input, opset = 17 }: Case): Graph {
  const uses = new Set(nodes.flatMap(({ inputs }) => inputs));
  const first = uses.has('x_first') ? [makeNode('MatMul', ['x', 'w'], ['x_first'])] : [];
  return graphFromBytes(
    encodeModel(
      makeModel({
        opsets: [{ domain: '', version: opset }],
        graph: {
          name: 'case',
          nodes: [...first, ...nodes],
          initializers: constants,
          inputs: [makeValueInfo('x', 'float32', input)],
          outputs: [{ name: 'y', datatype: 'float32', dims: [] }],
        },
      }),
    ),
  );
}

describe('gradients of training steps', () => {
  it('has a case for each operator that training can differentiate', () => {
    // Rounding is looked through on purpose, which finite differences would not: it has its own test.
    const untested = Object.keys(gradientRules).filter((op) => op !== 'Round' && !cases.some((one) => one.op === op));
    assert.deepEqual(untested, []);
  });

  for (const one of cases) {
    it(`follows finite differences for ${one.op} ${one.what}`, async () => {
      const graph = modelOf(one);
      const x: Tensor = { datatype: 'float32', shape: one.input, data: normalValues(elementCount(one.input), 99) };
      const options = { loss: one.loss ?? ('mse' as const), output: 'y', exposeGradients: true };
      const step = await buildStepGraph(graph, options, { x }, testRunner);
      const train = await testRunner.open(step.train, { graphOptimizationLevel: 'disabled' });
      const evaluate = await testRunner.open(step.evaluate, { graphOptimizationLevel: 'disabled' });
      const count = elementCount(step.targetShape);
      const targets = normalValues(count, 5);
      if (one.loss === 'cross-entropy') for (let i = 0; i < count; i++) targets[i] = i % 5 === 2 ? 1 : 0;
      const feeds: Record<string, Tensor> = {
        x,
        [step.targets]: { datatype: 'float32', shape: step.targetShape, data: targets },
        [step.rate]: { datatype: 'float32', shape: [], data: Float32Array.of(0) },
      };
      for (const { name, dims, input } of step.parameters) {
        const zeros = { datatype: 'float32', shape: dims, data: new Float32Array(elementCount(dims)) } as const;
        Object.assign(feeds, { [input.mean]: zeros, [input.square]: zeros });
        feeds[input.weight] = { ...zeros, data: graph.floats(name).slice() as Float32Array<ArrayBuffer> };
      }
      const answers = await train.run(feeds);
      const lossAt = async (name: string, direction: Float32Array, scale: number): Promise<number> => {
        const { input } = step.parameters.find((parameter) => parameter.name === name)!;
        const moved = (feeds[input.weight]!.data as Float32Array<ArrayBuffer>).map(
          (value, i) => value + scale * direction[i]!,
        );
        const changed = { ...feeds, [input.weight]: { ...feeds[input.weight]!, data: moved } };
        const wanted = Object.fromEntries(evaluate.inputs.map((spec) => [spec.name, changed[spec.name]!]));
        return ((await evaluate.run(wanted))[step.loss]!.data as Float32Array)[0]!;
      };
      assert.ok(step.parameters.length > 0);
      for (const { name, dims } of step.parameters) {
        const gradient = answers[step.gradients.get(name)!]!;
        assert.deepEqual(gradient.shape, dims, `shape of the gradient of ${name}`);
        for (let trial = 0; trial < 4; trial++) {
          const random = normalValues(elementCount(dims), 1000 + trial);
          const length = Math.hypot(...random);
          const direction = random.map((value) => value / length);
          const expected = (gradient.data as Float32Array).reduce((sum, value, i) => sum + value * direction[i]!, 0);
          const estimate = async (size: number): Promise<number> =>
            ((await lossAt(name, direction, size)) - (await lossAt(name, direction, -size))) / (2 * size);
          // Kinks (Relu, maxima) make one step size wrong now and then; float32 makes small ones inexact.
          const errors = [];
          for (const size of [1e-2, 3e-3, 1e-3]) errors.push(Math.abs((await estimate(size)) - expected));
          assert.ok(Math.min(...errors) < 2e-3 * Math.abs(expected) + 1e-4, `${name}: ${expected}, off by ${errors}`);
        }
      }
      await train.close();
      await evaluate.close();
    });
  }
});

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
    const model = (opset: number): Graph =>
      modelOf({ op: '', what: '', input: ['batch', 3, 12, 12] as never, nodes, constants, opset });
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
    const graph = modelOf({ op: '', what: '', input: [8, 4], nodes, constants });
    const x: Tensor = { datatype: 'float32', shape: [8, 4], data: normalValues(32) };
    const step = await buildStepGraph(graph, { loss: 'mse', output: 'y' }, { x }, testRunner);
    assert.deepEqual(
      step.parameters.map(({ name }) => name),
      ['v'],
    );
    assert.match(step.notes.join(' '), /"wave" \(Sin\)/);
  });
});
