/** Structured pruning in ONNX Runtime: what goes is what nothing needs, and everything that belongs together goes together. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TensorLiteral } from '../../src/onnx-file/model.ts';
import { int, ints, makeNode, makeTensor, makeValueInfo } from '../../src/onnx-file/model.ts';
import type { PruneStructuredSettings } from '../../src/optimizer/passes/prune-structured.ts';
import { pruneStructured } from '../../src/optimizer/passes/prune-structured.ts';
import { sqnrDb } from '../../src/optimizer/quantize/sqnr.ts';
import { answersOf, batchModel, type LayerModel, normalSeries, padded, whole } from './support/layer-models.ts';
import { normalDataset, passContext } from './support/optimizer-runner.ts';

/** Odd channels of what it takes have weight 0: half of the channels before it are of no use. */
interface Case extends LayerModel {
  readonly what: string;
  readonly input: readonly number[];
  /** Layers that end up with half of their channels. */
  readonly halved: readonly string[];
  readonly settings?: PruneStructuredSettings;
}

const next = normalSeries(100);
function weight(name: string, dims: readonly number[], deadAxis?: number, span = 1): TensorLiteral {
  const values = next(dims);
  const inner = deadAxis === undefined ? 1 : dims.slice(deadAxis + 1).reduce((product, size) => product * size, 1);
  for (let i = 0; deadAxis !== undefined && i < values.length; i++) {
    const place = Math.floor(i / inner) % dims[deadAxis]!;
    if (Math.floor(place / span) % 2 === 1) values[i] = 0;
  }
  return makeTensor(name, 'float32', dims, values);
}
const positive = (name: string, count: number): TensorLiteral =>
  makeTensor(
    name,
    'float32',
    [count],
    next([count]).map((value) => 0.5 + Math.abs(value)),
  );

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

describe('structured pruning', () => {
  for (const one of cases) {
    it(`takes ${one.what}`, async () => {
      const graph = batchModel(one);
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
    const graph = batchModel({ nodes, constants, input: [3, 4, 4] });
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
    const graph = batchModel({
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
    const graph = batchModel({ nodes, constants, input });
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
    const graph = batchModel({ nodes: twice, constants: [...constants, weight('m', [16, 16])], input });
    await assert.rejects(pruneStructured(graph, {}, context), { code: 'CANCELLED' });
  });

  it('works from weights alone without data', async () => {
    const { nodes, constants, input } = cases[0]!;
    const graph = batchModel({ nodes, constants, input });
    const report = await pruneStructured(graph, {}, passContext(undefined));
    assert.deepEqual(graph.constantOf('w')!.dims, [6, 8]);
    assert.match(report.title, /50 % of channels\)$/);
  });
});
