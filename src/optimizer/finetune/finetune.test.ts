/** Parts of training that need no runtime: batches, and scales folded into layers. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../core/seeded-random.ts';
import type { Dataset } from '../pass.ts';
import { activationGrid, weightGrid } from './fake-quantize.ts';
import type { MlpLayer } from './mlp/mlp-model.ts';
import { foldInputScale, foldOutputScale, measureColumns, scaleColumns } from './mlp/standardize.ts';
import { rowBatches } from './row-batches.ts';
import { RowSource } from './row-source.ts';

function numbered(rows: number): Dataset {
  const values = Float32Array.from({ length: rows }, (_, row) => row);
  return {
    rows,
    labels: undefined,
    slice: (start, count) => ({
      x: { datatype: 'float32', shape: [count, 1], data: values.subarray(start, start + count) },
    }),
  };
}

describe('batches of rows', () => {
  it('show every training row once per round and no held-out one, with the targets of their rows', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 60 }),
        fc.integer({ min: 1, max: 20 }),
        fc.double({ min: 0, max: 0.9, noNaN: true }),
        (rows, batchSize, heldOut) => {
          const write = (row: number, into: Float32Array, start: number): void => {
            into[start] = 1000 + row;
          };
          const batches = rowBatches(
            new RowSource(numbered(rows)),
            rows,
            { write },
            { batchSize, heldOut },
            seededRandom(rows),
          );
          batches.targetSize = 1;
          const held = new Set<number>();
          for (const { feeds, targets } of batches.heldOut()) {
            const values = [...(feeds.x!.data as Float32Array)];
            assert.equal(values.length, batches.batchSize);
            assert.deepEqual(
              [...targets],
              values.map((value) => value + 1000),
            );
            for (const value of values) held.add(value);
          }
          assert.equal(held.size, rows - batches.trainingRows);
          const seen = new Set<number>();
          const perRound = Math.floor(batches.trainingRows / batches.batchSize);
          for (let count = 0; count < perRound; count++) {
            for (const value of batches.next().feeds.x!.data as Float32Array) seen.add(value);
          }
          assert.equal(seen.size, perRound * batches.batchSize);
          assert.ok([...seen].every((row) => !held.has(row)));
        },
      ),
    );
  });
});

describe('scales', () => {
  const layer: MlpLayer = {
    inputs: 2,
    outputs: 2,
    weights: Float32Array.of(1, -2, 0.5, 3),
    bias: Float32Array.of(0.25, -1),
  };
  const apply = ({ weights, bias }: MlpLayer, [a, b]: readonly number[]): number[] =>
    [0, 1].map((j) => a! * weights[j]! + b! * weights[2 + j]! + bias[j]!);

  it('of columns are taken off and folded into the first layer', () => {
    const values = Float32Array.of(10, 7, 20, 7, 60, 7);
    const scale = measureColumns(values, 3, 2);
    const scaled = scaleColumns(values, scale);
    assert.ok(Math.abs(scaled[0]! + scaled[2]! + scaled[4]!) < 1e-6);
    assert.deepEqual([scaled[1], scaled[3], scaled[5]], [0, 0, 0]);
    const folded = foldInputScale(layer, scale);
    for (const row of [0, 1, 2]) {
      const expected = apply(layer, [...scaled.subarray(2 * row, 2 * row + 2)]);
      const found = apply(folded, [...values.subarray(2 * row, 2 * row + 2)]);
      for (const j of [0, 1]) assert.ok(Math.abs(found[j]! - expected[j]!) < 1e-5);
    }
  });

  it('of targets are put back by the last layer', () => {
    const folded = foldOutputScale(layer, { means: Float64Array.of(100, 5), deviations: Float64Array.of(10, 2) });
    const [a, b] = apply(layer, [0.5, -1]) as [number, number];
    assert.deepEqual(apply(folded, [0.5, -1]), [a * 10 + 100, b * 2 + 5]);
  });
});

describe('grids of fake quantization', () => {
  it('reach the greatest weight of each output channel', () => {
    const { scale, low, high } = weightGrid([2, 3], Float32Array.of(1, 0, -127, 2, 0, 4), 1, 8);
    assert.deepEqual([low, high, scale.dims], [-127, 127, [1, 3]]);
    assert.deepEqual(
      [...scale.values],
      [2, 1, 127].map((greatest) => (greatest === 1 ? 1 : Math.fround(greatest / 127))),
    );
  });

  it('always hold zero', () => {
    assert.deepEqual([activationGrid([2, 5]).low, activationGrid([2, 5]).high], [0, 255]);
    assert.deepEqual([activationGrid([-1, 1]).low, activationGrid([-1, 1]).high], [-128, 127]);
    assert.deepEqual([...activationGrid([0, 0]).scale.values], [1]);
  });
});
