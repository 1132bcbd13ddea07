/** First layers over pictures: folded or given a channel of zeros, so that the runtime's quick integer kernel takes them; sums stay the same. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Attribute } from '../../src/onnx-file/model.ts';
import { int, ints, makeNode, string } from '../../src/onnx-file/model.ts';
import type { Graph } from '../../src/optimizer/graph/graph.ts';
import { graphFromBytes } from '../../src/optimizer/graph/load.ts';
import { foldPixels } from '../../src/optimizer/passes/qdq/fold-pixels.ts';
import { assertFused, build, flat, kernel, quantize, sqnr, weights } from './support/int8-models.ts';
import { compareRows } from './support/linear-models.ts';
import { normalDataset, optimizedOperators } from './support/optimizer-runner.ts';

const opsOf = (graph: Graph) => graph.nodes.map(({ opType }) => opType);

/** A convolution over pictures, a Relu, the mean of each channel and a small dense layer. */
function picture({ stride = 2, opset = 13 }: { stride?: number; opset?: number }): Uint8Array<ArrayBuffer> {
  return build({
    nodes: [
      makeNode('Conv', ['x', 'w0', 'b0'], ['c0'], kernel(3, stride, 1)),
      makeNode('Relu', ['c0'], ['last']),
      ...flat,
      makeNode('MatMul', ['flat', 'w1'], ['y']),
    ],
    initializers: [weights('w0', [8, 3, 3, 3], 27), weights('b0', [8], 1), weights('w1', [8, 4], 8)],
    row: [3, 16, 16],
    answer: [4],
    opset,
  });
}

const data = normalDataset('x', 16, [3, 16, 16]);

describe('static INT8 of a first layer over three channels', () => {
  it('folds the pixels that it steps over into channels, as integers', async () => {
    for (const opset of [10, 13]) {
      const { bytes, graph, report } = await quantize(picture({ opset }), data);
      const conv = graph.nodes.find(({ opType }) => opType === 'Conv')!;
      const weight = graph.producerOf(conv.inputs[1]!)!.inputs[0]!;
      assert.deepEqual(graph.constantOf(weight)!.dims, [8, 12, 2, 2]);
      assert.ok((await sqnr(picture({ opset }), bytes, data)) > 30);
      await assertFused(bytes, report.expectedFused);
      // Two of the three that rearrange: the last one cancels with the runtime's own. One behind the layer.
      assert.equal((await optimizedOperators(bytes)).Transpose, 2 + 1);
    }
  });

  it('adds a fourth of zeros where it steps by one', async () => {
    for (const opset of [10, 13]) {
      const { bytes, graph, report } = await quantize(picture({ stride: 1, opset }), data);
      const conv = graph.nodes.find(({ opType }) => opType === 'Conv')!;
      const pad = graph.nodes.find(({ opType }) => opType === 'Pad')!;
      assert.equal(pad.inputs[0], 'x');
      assert.ok(conv.inputs[0]!.startsWith('x_padded'));
      assert.ok((await sqnr(picture({ stride: 1, opset }), bytes, data)) > 30);
      await assertFused(bytes, report.expectedFused);
      // The weights of the fourth channel are exactly zero.
      const padded = graph.producerOf(conv.inputs[1]!)!.inputs[0]!;
      const { dims } = graph.constantOf(padded)!;
      assert.deepEqual(dims, [8, 4, 3, 3]);
      const values = graph.constantOf(padded)!.floats();
      for (let output = 0; output < 8; output++) {
        assert.ok(values.subarray(output * 36 + 27, (output + 1) * 36).every((value) => value === 0));
        assert.ok(values.subarray(output * 36, output * 36 + 27).some((value) => value !== 0));
      }
    }
  });

  it('leaves a layer that stays float as it is', async () => {
    const { graph } = await quantize(picture({}), data, { exclude: ['c0'] });
    assert.ok(!opsOf(graph).includes('Pad') && !opsOf(graph).includes('Transpose'));
  });
});

interface Shape {
  readonly channels?: number;
  readonly size?: readonly [number, number];
  readonly kernel?: readonly [number, number];
  readonly pads?: readonly number[];
  readonly strides?: readonly [number, number];
  readonly more?: Readonly<Record<string, Attribute>>;
}

/** Float32, so that what is compared is the rearranging and nothing else. */
function convolution({
  channels = 3,
  size = [16, 16],
  kernel: [height, width] = [3, 3],
  pads = [1, 1, 1, 1],
  strides = [2, 2],
  more = {},
}: Shape): Uint8Array<ArrayBuffer> {
  return build({
    nodes: [
      makeNode('Conv', ['x', 'w'], ['y'], {
        ...(pads.length === 0 ? {} : { pads: ints(pads) }),
        strides: ints(strides),
        ...more,
      }),
    ],
    initializers: [weights('w', [5, channels, height, width], channels * height * width)],
    row: [channels, ...size],
    answer: [5, -1, -1].map((dim, axis) => (dim < 0 ? (`d${axis}` as never) : dim)),
  });
}

function folded(bytes: Uint8Array): Graph | undefined {
  const graph = graphFromBytes(bytes);
  return foldPixels(graph, new Set(graph.nodes)) === 1 ? graph.check() : undefined;
}

describe('folding pixels into channels', () => {
  it('changes no sum, whatever kernel, stride, padding and size', async () => {
    let count = 0;
    for (const stride of [2, 4, 3]) {
      for (const size of [
        [12, 12],
        [24, 12],
        [12, 36],
      ] as const) {
        for (const kernel of [
          [2, 2],
          [3, 3],
          [4, 2],
          [5, 7],
          [7, 7],
          [8, 3],
        ] as const) {
          for (const pads of [
            [0, 0, 0, 0],
            [1, 1, 1, 1],
            [3, 3, 3, 3],
            [0, 1, 2, 3],
            [5, 0, 0, 4],
          ] as const) {
            for (const channels of [1, 3, 4]) {
              const bytes = convolution({ channels, size, kernel, pads, strides: [stride, stride] });
              const graph = folded(bytes);
              if (graph === undefined) continue;
              count++;
              const rows = normalDataset('x', 2, [channels, ...size], count);
              assert.ok(
                (await compareRows(bytes, graph.toBytes(), rows, 'y')) > 110,
                JSON.stringify({ stride, size, kernel, pads }),
              );
            }
          }
        }
      }
    }
    assert.ok(count > 300, `${count} were folded`);
  });

  it('writes automatic padding out', async () => {
    for (const mode of ['SAME_UPPER', 'SAME_LOWER', 'VALID']) {
      for (const kernel of [
        [3, 3],
        [2, 5],
      ] as const) {
        const bytes = convolution({ size: [16, 12], kernel, pads: [], more: { auto_pad: string(mode) } });
        const graph = folded(bytes)!;
        assert.ok((await compareRows(bytes, graph.toBytes(), normalDataset('x', 2, [3, 16, 12]), 'y')) > 110, mode);
      }
    }
  });

  it('leaves what it cannot fold', () => {
    const cases: Readonly<Record<string, Shape>> = {
      'a stride of one': { strides: [1, 1] },
      'two strides': { strides: [2, 4] },
      'an odd size': { size: [16, 17] },
      'an unknown size': { size: ['height', 16] as never },
      dilations: { more: { dilations: ints([2, 2]) } },
      'many channels': { channels: 5 },
      'channels that stay odd': { channels: 3, size: [15, 15], strides: [3, 3] },
      'a kernel of one place': { kernel: [1, 1], pads: [0, 0, 0, 0] },
      groups: { channels: 1, more: { group: int(5) } },
    };
    for (const [title, shape] of Object.entries(cases)) assert.equal(folded(convolution(shape)), undefined, title);
    assert.notEqual(folded(convolution({})), undefined);
  });
});
