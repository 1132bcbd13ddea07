/** Gradients of training steps in ONNX Runtime, operator by operator, against finite differences. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Tensor } from '../../src/core/tensor.ts';
import { elementCount } from '../../src/core/tensor.ts';
import type { Attribute, TensorLiteral } from '../../src/onnx-file/model.ts';
import { float, int, ints, makeNode, makeTensor } from '../../src/onnx-file/model.ts';
import { gradientRules } from '../../src/optimizer/finetune/gradients/table.ts';
import type { Loss } from '../../src/optimizer/finetune/loss.ts';
import { buildStepGraph } from '../../src/optimizer/finetune/step-graph.ts';
import type { Graph } from '../../src/optimizer/graph/graph.ts';
import { attributes, type LayerModel, layerModel, normalSeries, weightMaker, whole } from './support/layer-models.ts';
import { normalValues, testRunner } from './support/optimizer-runner.ts';

/** A model from `x` to `y`: a trained layer, then what is tested. */
interface Case extends LayerModel {
  readonly op: string;
  readonly what: string;
  readonly input: readonly number[];
  readonly loss?: Loss;
}

const weight = weightMaker(normalSeries(0), 0.5);

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

function modelOf(one: Case): Graph {
  const uses = new Set(one.nodes.flatMap(({ inputs }) => inputs));
  const first = uses.has('x_first') ? [makeNode('MatMul', ['x', 'w'], ['x_first'])] : [];
  return layerModel({ ...one, nodes: [...first, ...one.nodes] });
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
