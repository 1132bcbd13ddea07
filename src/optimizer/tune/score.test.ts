import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../core/seeded-random.ts';
import {
  capacityOf,
  type Goal,
  goodputShare,
  isBetter,
  mostRequestsPerSecond,
  type Score,
  scoreBatch,
  scoreBest,
} from './score.ts';
import { type Reading, ServiceTimes } from './service-times.ts';
import { syntheticTraffic } from './traffic.ts';

const noise = [0.9, 0.95, 1, 1, 1.05, 1.1, 1.2];

/** As a model with this line would be measured. */
function readingsOf(perRowMs: number, fixedMs: number, sizes = [1, 2, 4, 8, 16, 32]): Reading[] {
  return sizes.map((rows) => ({ rows, ms: noise.map((factor) => factor * (perRowMs * rows + fixedMs)) }));
}

const traffic = syntheticTraffic(5000, seededRandom(1));
const goal = (sloMs: number, ratePerSecond?: number): Goal => ({ sloMs, traffic, ratePerSecond });

describe('measured times', () => {
  it('teach the scheduler their line', () => {
    const { prior } = new ServiceTimes(readingsOf(0.5, 4));
    assert.ok(Math.abs(prior.perRowMs - 0.5) < 1e-6 && Math.abs(prior.fixedMs - 4) < 1e-6, JSON.stringify(prior));
  });

  it('are straight between measured sizes and keep their bends', () => {
    const times = new ServiceTimes([
      { rows: 1, ms: [10] },
      { rows: 4, ms: [10] },
      { rows: 8, ms: [30] },
    ]);
    assert.deepEqual(
      [1, 2, 4, 6, 8, 100].map((rows) => times.medianMs(rows)),
      [10, 10, 10, 20, 30, 30],
    );
  });

  it('are drawn from what was measured, no other', () => {
    const times = new ServiceTimes([{ rows: 2, ms: [8, 10, 30] }]);
    const random = seededRandom(9);
    const drawn = new Set(Array.from({ length: 200 }, () => Math.round(times.draw(2, random))));
    assert.deepEqual(
      [...drawn].sort((a, b) => a - b),
      [8, 10, 30],
    );
    assert.equal(times.meanMs(2), 16);
  });

  it('join the visits of one size', () => {
    const times = new ServiceTimes([
      { rows: 1, ms: [1, 1] },
      { rows: 1, ms: [3, 3, 3] },
    ]);
    assert.deepEqual([times.rows, times.medianMs(1)], [[1], 3]);
  });
});

describe('the score', () => {
  const times = new ServiceTimes(readingsOf(1, 10));

  it('is a rate that keeps the SLO, below what the instances can do', () => {
    for (const sloMs of [60, 200, 2000]) {
      const setting = { times, instances: 2, maxBatchSize: 16 };
      const score = scoreBatch(setting, 2, goal(sloMs));
      assert.ok(score.requestsPerSecond > 0 && score.requestsPerSecond <= capacityOf(setting), JSON.stringify(score));
      assert.ok(score.goodput >= goodputShare && score.p99Ms <= sloMs, JSON.stringify(score));
    }
  });

  it('grows with the SLO and with the instances', () => {
    const at = (instances: number, sloMs: number) =>
      scoreBatch({ times, instances, maxBatchSize: 16 }, instances, goal(sloMs)).requestsPerSecond;
    assert.ok(at(1, 100) < at(1, 1000));
    assert.ok(at(1, 1000) < at(2, 1000));
  });

  it('takes a large batch where a batch is dear, and not where the SLO has no room for it', () => {
    const dear = new ServiceTimes(readingsOf(0.1, 20));
    assert.equal(scoreBest(dear, 1, 1, dear.rows, goal(5000)).maxBatchSize, 32);
    const steep = new ServiceTimes(readingsOf(10, 1));
    assert.ok(scoreBest(steep, 1, 1, steep.rows, goal(60)).maxBatchSize <= 4);
  });

  it('is 0 where one row takes longer than the SLO', () => {
    const { requestsPerSecond, p99Ms } = scoreBest(times, 1, 1, times.rows, goal(5));
    assert.deepEqual([requestsPerSecond, p99Ms], [0, Number.POSITIVE_INFINITY]);
  });

  it('never promises more than a process can read', () => {
    const tiny = new ServiceTimes(readingsOf(0.0001, 0.001));
    assert.equal(
      scoreBatch({ times: tiny, instances: 1, maxBatchSize: 32 }, 1, goal(1000)).requestsPerSecond,
      mostRequestsPerSecond,
    );
  });

  it('is, at a given rate, what of it is in time', () => {
    const setting = { times, instances: 1, maxBatchSize: 32 };
    const easy = scoreBatch(setting, 1, goal(500, 20));
    assert.ok(easy.goodput > 0.999 && Math.abs(easy.requestsPerSecond - 20) < 0.1, JSON.stringify(easy));
    assert.ok(scoreBatch(setting, 1, goal(500, 5000)).goodput < 0.5);
  });
});

describe('the comparison', () => {
  const score = (over: Partial<Score>): Score => ({
    maxBatchSize: 1,
    requestsPerSecond: 100,
    p99Ms: 50,
    p50Ms: 10,
    goodput: 1,
    atRate: 90,
    threads: 2,
    ...over,
  });

  it('goes by requests, then by p99, then by threads; a difference of 2 % is none', () => {
    assert.ok(isBetter(score({ requestsPerSecond: 103, p99Ms: 90 }), score({})));
    assert.ok(!isBetter(score({ requestsPerSecond: 101 }), score({})));
    assert.ok(isBetter(score({ requestsPerSecond: 99, p99Ms: 40, threads: 8 }), score({})));
    assert.ok(isBetter(score({ threads: 1 }), score({})));
    assert.ok(!isBetter(score({}), score({})));
    assert.ok(!isBetter(score({ requestsPerSecond: 0, p99Ms: Number.POSITIVE_INFINITY }), score({})));
  });
});
