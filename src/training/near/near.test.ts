import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../core/seeded-random.ts';
import type { Matrix } from '../matrix.ts';
import { gridLimit, gridSteps, toGrid } from './grid.ts';
import { nearestCentres, trainKMeans } from './k-means.ts';
import { findNeighbours, trainNeighbours } from './neighbours.ts';

const line = (values: readonly number[]): Matrix => ({
  values: Float32Array.from(values),
  rows: values.length,
  columns: 1,
});

describe('toGrid', () => {
  it('gives whole numbers within the limit', () => {
    assert.deepEqual([...toGrid(line([0, 1, -0.5, 1e9, -1e9]))], [0, gridSteps, -gridSteps / 2, gridLimit, -gridLimit]);
  });
});

describe('findNeighbours', () => {
  const target = { task: 'regression' as const, values: new Float64Array(5) };
  const train = (values: readonly number[], k: number) =>
    trainNeighbours(line(values), { ...target, values: new Float64Array(values.length) }, { k }, seededRandom(1));

  it('names the nearest first, and the earlier row among equally near ones', () => {
    assert.deepEqual([...findNeighbours(train([5, 1, 3, 1, 9], 4), line([2]))], [1, 2, 3, 0]);
  });

  it('agrees with sorting all distances', () => {
    const random = seededRandom(2);
    const points = Array.from({ length: 60 }, () => Math.round(random() * 20) / 4);
    const model = train(points, 7);
    for (const asked of [0, 1.25, 3.3, 9]) {
      const [place] = toGrid(line([asked]));
      const sorted = points
        .map((point, row) => ({ row, distance: Math.abs(point * gridSteps - place!) }))
        .sort((a, b) => a.distance - b.distance || a.row - b.row);
      assert.deepEqual(
        [...findNeighbours(model, line([asked]))],
        sorted.slice(0, 7).map(({ row }) => row),
      );
    }
  });

  it('keeps no more rows than asked, the same for the same seed', () => {
    const data = line(Array.from({ length: 100 }, (_, row) => row));
    const keep = () =>
      trainNeighbours(data, { ...target, values: new Float64Array(100) }, { maxRows: 10 }, seededRandom(3));
    assert.equal(keep().rows, 10);
    assert.deepEqual(keep(), keep());
  });

  it('refuses more neighbours than rows', () => {
    assert.throws(() => train([1, 2, 3, 4, 5], 6), { code: 'INVALID_INPUT' });
  });
});

describe('trainKMeans', () => {
  it('finds groups that lie apart', () => {
    const random = seededRandom(4);
    const points = Array.from({ length: 90 }, (_, row) => (row % 3) * 10 + random());
    const model = trainKMeans(line(points), { clusters: 3 }, seededRandom(1));
    assert.ok(model.converged);
    const { labels } = nearestCentres(toGrid(line(points)), 90, model);
    for (let row = 3; row < 90; row++) assert.equal(labels[row], labels[row % 3]);
    assert.equal(new Set(labels).size, 3);
  });

  it('refuses fewer different rows than clusters', () => {
    assert.throws(() => trainKMeans(line([1, 1, 1, 2]), { clusters: 3 }, seededRandom(1)), {
      code: 'INVALID_INPUT',
      message: /fewer than 3 different rows/,
    });
  });
});
