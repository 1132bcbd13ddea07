import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { climb } from './climb.ts';
import { allPoints, buildSpace, neighbours, type Point, pointKey } from './space.ts';

const start: Point = { instances: 1, intraOpThreads: 1, graphOptimizationLevel: 'all', executionProvider: 'cpu' };

/** Climbs a surface of figures, of which more is better. */
function climbOn(surface: (point: Point) => number | undefined, cores: number, from = start, mostVisits = 1000) {
  const space = buildSpace(cores, from, {}, ['cpu']);
  let visits = 0;
  return climb<Point, number>({
    start: from,
    keyOf: pointKey,
    neighbours: (point) => neighbours(space, point),
    measure: async (point) => {
      visits++;
      return surface(point);
    },
    better: (a, b) => a > b,
    goOn: () => visits < mostVisits,
  });
}

/** Threads share a run less and less well, the graph level is worth a third, and all cores can be busy. */
function throughput({ instances, intraOpThreads, graphOptimizationLevel }: Point): number {
  const level = { all: 1.3, extended: 1, basic: 0.9, disabled: 0.5, layout: 1 }[graphOptimizationLevel];
  return level * instances * intraOpThreads ** 0.8;
}

describe('the space', () => {
  it('has every pair that the cores can bear, with powers of two and whole shares', () => {
    const pairs = allPoints(buildSpace(6, start, { level: 'all' }, ['cpu'])).map(
      ({ instances, intraOpThreads }) => `${instances}x${intraOpThreads}`,
    );
    assert.deepEqual(pairs, ['1x1', '1x2', '1x3', '1x4', '1x6', '2x1', '2x2', '2x3', '3x1', '3x2', '4x1', '6x1']);
    assert.equal(allPoints(buildSpace(2, start, {}, ['cpu'])).length, 9);
  });

  it('leaves alone what is fixed and what does not fit into the memory', () => {
    const fixed = buildSpace(8, { ...start, intraOpThreads: 3 }, { intraOpThreads: 3 }, ['cpu'], 1);
    assert.deepEqual([fixed.instances, fixed.intraOpThreads], [[1], [3]]);
  });

  it('knows only neighbours that are points of it, and never the point itself', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), fc.nat(), (cores, pick) => {
        const space = buildSpace(cores, start, {}, ['cpu', 'cuda']);
        const points = allPoints(space);
        const keys = new Set(points.map(pointKey));
        const point = points[pick % points.length]!;
        const around = neighbours(space, point).map(pointKey);
        assert.ok(around.every((key) => keys.has(key) && key !== pointKey(point)));
        assert.equal(new Set(around).size, around.length);
      }),
    );
  });

  it('is connected: from any point every other one can be reached', () => {
    const space = buildSpace(12, start, {}, ['cpu', 'cuda']);
    for (const from of allPoints(space)) {
      const reached = new Set<string>([pointKey(from)]);
      for (let open = [from]; open.length > 0; ) {
        open = open.flatMap((point) => neighbours(space, point)).filter((point) => !reached.has(pointKey(point)));
        for (const point of open) reached.add(pointKey(point));
      }
      assert.equal(reached.size, allPoints(space).length, pointKey(from));
    }
  });
});

describe('the climb', () => {
  it('finds the top without looking at every point', async () => {
    const { best, measured, finished } = await climbOn(throughput, 64);
    assert.equal(pointKey(best!.point), 'cpu 64 x 1 all');
    assert.ok(finished);
    assert.ok(measured.length < allPoints(buildSpace(64, start, {}, ['cpu'])).length / 2, `${measured.length}`);
  });

  it('moves cores from threads to instances where all of them are taken', async () => {
    const { best } = await climbOn(throughput, 8, { ...start, instances: 2, intraOpThreads: 4 });
    assert.equal(pointKey(best!.point), 'cpu 8 x 1 all');
    const wide = await climbOn(({ intraOpThreads }) => intraOpThreads, 8, { ...start, instances: 8 });
    assert.equal(wide.best!.point.intraOpThreads, 8);
  });

  it('measures no point twice', async () => {
    const { measured } = await climbOn(throughput, 16);
    assert.equal(new Set(measured.map(({ point }) => pointKey(point))).size, measured.length);
  });

  it('stays where nothing is better, and passes over what cannot be used', async () => {
    const flat = await climbOn(() => 1, 8);
    assert.equal(pointKey(flat.best!.point), pointKey(start));
    const holes = await climbOn((point) => (point.intraOpThreads === 4 ? undefined : throughput(point)), 8);
    assert.equal(pointKey(holes.best!.point), 'cpu 8 x 1 all');
    assert.ok(holes.measured.every(({ point }) => point.intraOpThreads !== 4));
  });

  it('stops when told, with the best so far', async () => {
    const { measured, finished, best } = await climbOn(throughput, 64, start, 3);
    assert.equal(measured.length, 3);
    assert.equal(finished, false);
    assert.equal(best!.measure, Math.max(...measured.map(({ measure }) => measure)));
  });
});
