/** Arithmetic of pruning and repair that needs no runtime. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../core/seeded-random.ts';
import { encodeModel } from '../../onnx-file/encode.ts';
import { ints, makeModel, makeNode, makeTensor, makeValueInfo } from '../../onnx-file/model.ts';
import { Graph } from '../graph/graph.ts';
import { keptCount } from './groups.ts';
import { type RepairLayer, repairLayer } from './repair-layer.ts';
import { SamplePlan, sampleInputs, sampleOutputs } from './sample-rows.ts';
import { SlotSet } from './slots.ts';

describe('channels that go together', () => {
  it('are pinned together, whether joined before or after', () => {
    const slots = new SlotSet();
    const [a, b, c, d] = slots.add(4) as [number, number, number, number];
    slots.join(a, b);
    slots.pin([b]);
    slots.join(c, a);
    assert.deepEqual(
      [a, b, c, d].map((slot) => slots.isPinned(slot)),
      [true, true, true, false],
    );
    assert.equal(slots.find(a), slots.find(c));
  });

  it('stay in eights where that is near, and never all go', () => {
    assert.deepEqual(
      [64, 60, 40, 24, 20, 3, 1].map((count) => keptCount(count, 0.5)),
      [32, 32, 24, 12, 10, 2, 1],
    );
    assert.equal(keptCount(4, 0.95), 1);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 2000 }),
        fc.double({ min: 0.01, max: 0.95, noNaN: true }),
        (count, share) => {
          const kept = keptCount(count, share);
          assert.ok(kept >= 1 && kept <= count && Math.abs(kept - count * (1 - share)) <= Math.max(1, count / 10));
        },
      ),
    );
  });
});

function convLayer(dims: readonly number[], strides: number[], pads: number[], dilations: number[]): RepairLayer {
  const node = makeNode('Conv', ['x', 'w'], ['y'], {
    strides: ints(strides),
    pads: ints(pads),
    dilations: ints(dilations),
  });
  const weights = new Float32Array(dims.reduce((product, size) => product * size, 1));
  const graph = new Graph(
    encodeModel(
      makeModel({
        opsets: [{ domain: '', version: 13 }],
        graph: {
          name: 'conv',
          nodes: [node],
          initializers: [makeTensor('w', 'float32', dims, weights)],
          inputs: [makeValueInfo('x', 'float32', [])],
          outputs: [makeValueInfo('y', 'float32', [])],
        },
      }),
    ),
  );
  return repairLayer(graph, graph.nodes[0]!) as RepairLayer;
}

const side = fc.integer({ min: 1, max: 3 });

describe('patches of a Conv', () => {
  it('hold what the window sees at each place, zeros in the padding, and a 1 for the bias', () => {
    const shapes = fc.record({
      kernel: fc.tuple(side, side),
      strides: fc.tuple(side, side),
      dilations: fc.tuple(side, side),
      pads: fc.tuple(...[0, 1, 2, 3].map(() => fc.integer({ min: 0, max: 2 }))),
      size: fc.tuple(fc.integer({ min: 7, max: 9 }), fc.integer({ min: 7, max: 9 })),
    });
    fc.assert(
      fc.property(shapes, ({ kernel, strides, dilations, pads, size }) => {
        const [rows, channels] = [2, 2];
        const layer = convLayer([3, channels, ...kernel], strides, pads, dilations);
        const [height, width] = [0, 1].map(
          (axis) =>
            Math.floor(
              (size[axis]! + pads[axis]! + pads[axis + 2]! - (kernel[axis]! - 1) * dilations[axis]! - 1) /
                strides[axis]!,
            ) + 1,
        ) as [number, number];
        const values = Float32Array.from({ length: rows * channels * size[0] * size[1] }, (_, index) => index + 1);
        const plan = new SamplePlan(rows, height * width, Number.POSITIVE_INFINITY, seededRandom(1));
        assert.equal(plan.perRow, height * width);
        const drawn = sampleInputs(layer, plan, values, [rows, channels, ...size], [rows, 3, height, width], 0);
        let at = 0;
        for (let row = 0; row < rows; row++) {
          for (let place = 0; place < height * width; place++) {
            for (let channel = 0; channel < channels; channel++) {
              for (let ky = 0; ky < kernel[0]; ky++) {
                for (let kx = 0; kx < kernel[1]; kx++) {
                  const y = Math.floor(place / width) * strides[0] + ky * dilations[0] - pads[0]!;
                  const x = (place % width) * strides[1] + kx * dilations[1] - pads[1]!;
                  const inside = y >= 0 && y < size[0] && x >= 0 && x < size[1];
                  const expected = inside ? ((row * channels + channel) * size[0] + y) * size[1] + x + 1 : 0;
                  assert.equal(drawn[at++], expected);
                }
              }
            }
            assert.equal(drawn[at++], 1);
          }
        }
        assert.equal(at, drawn.length);
      }),
      { numRuns: 60 },
    );
  });

  it('are drawn at the same places as outputs, of the channels that are left', () => {
    const layer = convLayer([3, 1, 1, 1], [1, 1], [0, 0, 0, 0], [1, 1]);
    const plan = new SamplePlan(4, 9, 20, seededRandom(7));
    assert.equal(plan.samples, 20);
    // One input channel; output channel j is the input plus 100 j.
    const inputs = Float32Array.from({ length: 36 }, (_, index) => index);
    const outputs = Float32Array.from({ length: 108 }, (_, index) => {
      const [row, channel, place] = [Math.floor(index / 27), Math.floor(index / 9) % 3, index % 9];
      return row * 9 + place + 100 * channel;
    });
    const drawn = sampleInputs(layer, plan, inputs, [4, 1, 3, 3], [4, 3, 3, 3], 0);
    const targets = new Float32Array(40);
    // In two pieces, as a run over many rows gives them.
    sampleOutputs(layer, plan, outputs.subarray(0, 27), [1, 3, 3, 3], 0, [0, 2], targets);
    sampleOutputs(layer, plan, outputs.subarray(27), [3, 3, 3, 3], 1, [0, 2], targets);
    for (let sample = 0; sample < 20; sample++) {
      const value = drawn[2 * sample]!;
      assert.deepEqual([...targets.subarray(2 * sample, 2 * sample + 2)], [value, value + 200]);
    }
  });
});
