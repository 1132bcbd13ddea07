/** Pruning in ONNX Runtime: what goes is what nothing needs, everything that belongs together goes together, and repair repairs. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { elementCount } from '../../src/core/tensor.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import type { Node, TensorLiteral } from '../../src/onnx-file/model.ts';
import { int, ints, makeModel, makeNode, makeTensor, makeValueInfo, string } from '../../src/onnx-file/model.ts';
import type { Graph } from '../../src/optimizer/graph/graph.ts';
import { graphFromBytes } from '../../src/optimizer/graph/load.ts';
import { pruneMagnitude } from '../../src/optimizer/passes/prune-magnitude.ts';
import type { PruneStructuredSettings } from '../../src/optimizer/passes/prune-structured.ts';
import { pruneStructured } from '../../src/optimizer/passes/prune-structured.ts';
import { repair } from '../../src/optimizer/passes/repair.ts';
import { sqnrDb } from '../../src/optimizer/quantize/sqnr.ts';
import { type datasetOf, normalDataset, normalValues, passContext, runRows } from './support/optimizer-runner.ts';

/** Odd channels of what it takes have weight 0: half of the channels before it are of no use. */
interface Case {
  readonly what: string;
  readonly input: readonly number[];
  readonly nodes: readonly Node[];
  readonly constants: readonly TensorLiteral[];
  /** Layers that end up with half of their channels. */
  readonly halved: readonly string[];
  readonly settings?: PruneStructuredSettings;
}

let seed = 100;
function weight(name: string, dims: readonly number[], deadAxis?: number, span = 1): TensorLiteral {
  const values = normalValues(elementCount(dims), ++seed);
  const inner = deadAxis === undefined ? 1 : dims.slice(deadAxis + 1).reduce((product, size) => product * size, 1);
  for (let i = 0; deadAxis !== undefined && i < values.length; i++) {
    const place = Math.floor(i / inner) % dims[deadAxis]!;
    if (Math.floor(place / span) % 2 === 1) values[i] = 0;
  }
  return makeTensor(name, 'float32', dims, values);
}
const whole = (name: string, values: readonly number[]): TensorLiteral =>
  makeTensor(name, 'int64', [values.length], BigInt64Array.from(values, BigInt));
const positive = (name: string, count: number): TensorLiteral =>
  makeTensor(
    name,
    'float32',
    [count],
    normalValues(count, ++seed).map((value) => 0.5 + Math.abs(value)),
  );
const padded = { pads: ints([1, 1, 1, 1]) };

const cases: readonly Case[] = [
  {
    what: 'neurons between Gemms, one of them transposed',
    input: [6],
    nodes: [
      makeNode('Gemm', ['x', 'w', 'b'], ['h']),
      makeNode('Sigmoid', ['h'], ['s']),
      makeNode('Gemm', ['s', 'v', 'c'], ['y'], { transB: int(1) }),
    ],
    constants: [weight('w', [6, 16]), weight('b', [16]), weight('v', [3, 16], 1), weight('c', [3])],
    halved: ['h'],
  },
  {
    what: 'neurons between MatMuls over tokens, with the bias in an Add',
    input: [5, 6],
    nodes: [
      makeNode('MatMul', ['x', 'w'], ['h']),
      makeNode('Add', ['h', 'b'], ['a']),
      makeNode('Tanh', ['a'], ['t']),
      makeNode('MatMul', ['t', 'v'], ['y']),
    ],
    constants: [weight('w', [6, 16]), weight('b', [16]), weight('v', [16, 3], 0)],
    halved: ['h'],
  },
  {
    what: 'channels through BatchNormalization, a depthwise Conv and a pool',
    input: [3, 8, 8],
    nodes: [
      makeNode('Conv', ['x', 'w'], ['h']),
      makeNode('BatchNormalization', ['h', 'scale', 'shift', 'mean', 'variance'], ['n']),
      makeNode('Relu', ['n'], ['r']),
      makeNode('Conv', ['r', 'd', 'e'], ['depth'], { group: int(16), ...padded }),
      makeNode('MaxPool', ['depth'], ['p'], { kernel_shape: ints([2, 2]), strides: ints([2, 2]) }),
      makeNode('Conv', ['p', 'v', 'c'], ['y']),
    ],
    constants: [
      weight('w', [16, 3, 1, 1]),
      ...['scale', 'shift', 'mean'].map((name) => weight(name, [16])),
      positive('variance', 16),
      weight('d', [16, 1, 3, 3]),
      weight('e', [16]),
      weight('v', [3, 16, 1, 1], 1),
      weight('c', [3]),
    ],
    halved: ['h'],
  },
  {
    what: 'channels that are flattened for a Gemm, by a shape that names the columns',
    input: [3, 4, 4],
    nodes: [
      makeNode('Conv', ['x', 'w', 'b'], ['h'], padded),
      makeNode('Reshape', ['h', 'shape'], ['f']),
      makeNode('Gemm', ['f', 'v'], ['y']),
    ],
    constants: [weight('w', [16, 3, 3, 3]), weight('b', [16]), whole('shape', [-1, 256]), weight('v', [256, 3], 0, 16)],
    halved: ['h'],
  },
  {
    what: 'channels that meet in a Concat',
    input: [3, 4, 4],
    nodes: [
      makeNode('Conv', ['x', 'w'], ['h']),
      makeNode('Conv', ['x', 'u'], ['g'], padded),
      makeNode('Concat', ['h', 'x', 'g'], ['k'], { axis: int(1) }),
      makeNode('Conv', ['k', 'v'], ['y']),
    ],
    constants: [
      weight('w', [16, 3, 1, 1]),
      weight('u', [15, 3, 3, 3]),
      // Of the input's three channels none may go; of `g` the odd ones of the whole are its even ones.
      weight('v', [3, 34, 1, 1], 1),
    ],
    halved: ['h', 'g'],
  },
  {
    what: 'channels that a Split parts',
    input: [3, 4, 4],
    nodes: [
      makeNode('Conv', ['x', 'w'], ['h']),
      makeNode('Split', ['h', 'sizes'], ['left', 'right'], { axis: int(1) }),
      makeNode('Relu', ['left'], ['l']),
      makeNode('Conv', ['l', 'v'], ['a']),
      makeNode('Conv', ['right', 'u'], ['b']),
      makeNode('Add', ['a', 'b'], ['y']),
    ],
    constants: [
      weight('w', [24, 3, 1, 1]),
      whole('sizes', [8, 16]),
      weight('v', [3, 8, 1, 1], 1),
      weight('u', [3, 16, 1, 1], 1),
    ],
    halved: ['h'],
  },
  {
    what: 'channels that a gate joins with another layer',
    input: [3, 4, 4],
    nodes: [
      makeNode('Conv', ['x', 'w'], ['h']),
      makeNode('GlobalAveragePool', ['h'], ['m']),
      makeNode('Conv', ['m', 'g'], ['q']),
      makeNode('Sigmoid', ['q'], ['s']),
      makeNode('Mul', ['h', 's'], ['k']),
      makeNode('Conv', ['k', 'v'], ['y']),
    ],
    constants: [weight('w', [16, 3, 1, 1]), weight('g', [16, 16, 1, 1], 1), weight('v', [3, 16, 1, 1], 1)],
    halved: ['h', 'q'],
    settings: { coupled: true },
  },
  {
    what: 'channels that residual sums join, where asked',
    input: [3, 4, 4],
    nodes: [
      makeNode('Conv', ['x', 'w'], ['h']),
      makeNode('Conv', ['h', 'inner'], ['i'], padded),
      makeNode('Relu', ['i'], ['r']),
      makeNode('Conv', ['r', 'back'], ['k']),
      makeNode('Add', ['h', 'k'], ['sum']),
      makeNode('Conv', ['sum', 'v'], ['y']),
    ],
    constants: [
      weight('w', [16, 3, 1, 1]),
      weight('inner', [16, 16, 3, 3], 1),
      weight('back', [16, 16, 1, 1], 1),
      weight('v', [3, 16, 1, 1], 1),
    ],
    halved: ['h', 'i', 'k'],
    settings: { coupled: true },
  },
  {
    what: 'channels inside of a residual block, the sum being left alone',
    input: [16, 4, 4],
    nodes: [
      makeNode('Conv', ['x', 'inner'], ['i'], padded),
      makeNode('Relu', ['i'], ['r']),
      makeNode('Conv', ['r', 'back'], ['k']),
      makeNode('Add', ['x', 'k'], ['y']),
    ],
    constants: [weight('inner', [16, 16, 3, 3]), weight('back', [16, 16, 1, 1], 1)],
    halved: ['i'],
  },
];

function modelOf({ nodes, constants, input }: Pick<Case, 'nodes' | 'constants' | 'input'>): Graph {
  const bytes = encodeModel(
    makeModel({
      opsets: [{ domain: '', version: 13 }],
      graph: {
        name: 'case',
        nodes,
        initializers: constants,
        inputs: [makeValueInfo('x', 'float32', ['batch', ...input])],
        outputs: [{ name: 'y', datatype: 'float32', dims: [] }],
      },
    }),
  );
  const graph = graphFromBytes(bytes);
  graph.removeGraphOutput('y');
  graph.addUntypedOutput('y');
  return graph;
}

const answersOf = async (graph: Graph, data: ReturnType<typeof datasetOf>): Promise<Float32Array> =>
  (await runRows(graph.toBytes(), data)).y!.data as Float32Array;

describe('structured pruning', () => {
  for (const one of cases) {
    it(`takes ${one.what}`, async () => {
      const graph = modelOf(one);
      const data = normalDataset('x', 8, one.input);
      const before = await answersOf(graph, data);
      const channels = (name: string): number => {
        const { opType, inputs } = graph.producerOf(name)!;
        const { dims } = graph.constantOf(inputs[1]!)!;
        return opType === 'Conv' ? dims[0]! : dims[1]!;
      };
      const sizes = new Map(one.halved.map((name) => [name, channels(name)]));
      const report = await pruneStructured(graph, { repair: false, ...one.settings }, passContext(data));
      for (const name of one.halved)
        assert.equal(channels(name), Math.ceil(sizes.get(name)! / 2), `channels of ${name}`);
      assert.deepEqual(report.changed.map(({ node }) => node).toSorted(), one.halved.toSorted());
      const after = await answersOf(graph.check(), data);
      assert.ok(sqnrDb(before, after) > 90, `the answers changed: ${sqnrDb(before, after)} dB`);
    });
  }

  it('keeps and reports channels that it cannot follow, and those of shared weights', async () => {
    const nodes = [
      makeNode('Conv', ['x', 'w'], ['h']),
      makeNode('DepthToSpace', ['h'], ['big'], { blocksize: int(2) }, { name: 'shuffle' }),
      makeNode('Conv', ['big', 'v'], ['i']),
      makeNode('Conv', ['i', 'u'], ['j']),
      makeNode('Conv', ['j', 'u'], ['k']),
      makeNode('Conv', ['k', 'last'], ['l']),
      makeNode('Relu', ['l'], ['r']),
      makeNode('Conv', ['r', 'end'], ['y']),
    ];
    const constants = [
      weight('w', [16, 3, 1, 1]),
      weight('v', [8, 4, 1, 1]),
      weight('u', [8, 8, 1, 1]),
      weight('last', [8, 8, 1, 1]),
      weight('end', [2, 8, 1, 1]),
    ];
    const graph = modelOf({ nodes, constants, input: [3, 4, 4] });
    const data = normalDataset('x', 4, [3, 4, 4]);
    const report = await pruneStructured(graph, {}, passContext(data));
    assert.deepEqual(report.changed.map(({ node, what }) => `${node}: ${what.split(',')[0]}`).slice(0, 1), [
      'l: 8 channels',
    ]);
    assert.ok(report.skipped.some(({ node, what }) => node === 'shuffle' && /cannot be followed/.test(what)));
    assert.ok(report.skipped.some(({ node, what }) => node === 'j' && /shared/.test(what)));
    assert.deepEqual(graph.constantOf('u')!.dims, [8, 8, 1, 1]);
    await answersOf(graph, data);
  });

  it('refuses a share out of range and a model without channels to spare', async () => {
    const graph = modelOf({
      nodes: [makeNode('Gemm', ['x', 'w'], ['y'])],
      constants: [weight('w', [4, 4])],
      input: [4],
    });
    const context = passContext(normalDataset('x', 4, [4]));
    await assert.rejects(pruneStructured(graph, { share: 1 }, context), /share must be above 0/);
    await assert.rejects(pruneStructured(graph, {}, context), /no channels that can be pruned/);
  });

  it('cuts weights that an old model also lists as inputs, with their sizes', async () => {
    const { nodes, constants, input } = cases[0]!;
    const graph = modelOf({ nodes, constants, input });
    graph.head.irVersion = 3;
    for (const { name, dims } of constants) graph.setGraphInput(makeValueInfo(name, 'float32', dims));
    const data = normalDataset('x', 8, input);
    const before = await answersOf(graph, data);
    await pruneStructured(graph, { repair: false }, passContext(data));
    assert.ok(sqnrDb(before, await answersOf(graph, data)) > 90);
    assert.deepEqual(graph.typeOf('w')!.dims, [6, 8]);
  });

  it('stops when nobody waits any more', async () => {
    const { nodes, constants, input } = cases[0]!;
    const stop = new AbortController();
    const context = passContext(normalDataset('x', 8, input), {
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    const twice = [
      ...nodes.slice(0, 2),
      makeNode('Gemm', ['s', 'm'], ['k']),
      makeNode('Gemm', ['k', 'v'], ['y'], { transB: int(1) }),
    ];
    const graph = modelOf({ nodes: twice, constants: [...constants, weight('m', [16, 16])], input });
    await assert.rejects(pruneStructured(graph, {}, context), { code: 'CANCELLED' });
  });

  it('works from weights alone without data', async () => {
    const { nodes, constants, input } = cases[0]!;
    const graph = modelOf({ nodes, constants, input });
    const report = await pruneStructured(graph, {}, passContext(undefined));
    assert.deepEqual(graph.constantOf('w')!.dims, [6, 8]);
    assert.match(report.title, /50 % of channels\)$/);
  });
});

/** Pairs of channels that are nearly the same: half of them can stand for all. */
function twins(name: string, dims: readonly number[]): TensorLiteral {
  const values = normalValues(elementCount(dims), ++seed);
  const noise = normalValues(elementCount(dims), ++seed);
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
      const before = await answersOf(modelOf(model), unseen);
      const quality = async (settings: PruneStructuredSettings): Promise<number> => {
        const graph = modelOf(model);
        await pruneStructured(graph, settings, passContext(calibration));
        return sqnrDb(before, await answersOf(graph, unseen));
      };
      const [raw, repaired] = [await quality({ repair: false }), await quality({})];
      assert.ok(repaired > raw + gain, `${raw} dB, repaired ${repaired} dB`);
    });
  }

  it('gives back the weights of a layer that were lost, with a bias that was not there', async () => {
    const original = modelOf(images);
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
    const original = modelOf({ ...images, nodes: [...images.nodes.slice(0, 2), node], input: [3, 11, 11] });
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
    const before = await answersOf(modelOf(perceptron), unseen);
    const [raw, repaired] = [modelOf(perceptron), modelOf(perceptron)];
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
    const graph = modelOf(perceptron);
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
    const graph = modelOf(perceptron);
    graph.setInitializer(makeTensor('v', 'float32', [32, 32], new Float32Array(1024).fill(Number.NaN)));
    await assert.rejects(pruneMagnitude(graph, {}, passContext(undefined)), /Weight "v" of Gemm "i" has NaN/);
    await assert.rejects(repair(graph, { original: graph }, passContext(undefined)), /needs calibration data/);
  });
});
