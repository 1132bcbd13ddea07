/** Golden goodput bounds: what the simulated policy reached when it was designed, minus noise. docs/guides/batching.md. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../seeded-random.ts';
import { poissonArrivals, simulate } from './simulate.ts';

const systems = {
  A: { perRowMs: 4, fixedMs: 1, maxBatchSize: 8, instances: 2, sloMs: 100 },
  B: { perRowMs: 0.3, fixedMs: 8, maxBatchSize: 32, instances: 1, sloMs: 100 },
  C: { perRowMs: 0.3, fixedMs: 8, maxBatchSize: 32, instances: 4, sloMs: 50 },
};
const untilMs = 10_000;

function goodput(name: keyof typeof systems, load: number, slowdown = 1): number {
  const { perRowMs, fixedMs, maxBatchSize, instances, sloMs } = systems[name];
  const random = seededRandom(11);
  const capacity = (instances * maxBatchSize) / (perRowMs * maxBatchSize + fixedMs);
  return simulate({
    arrivalsMs: poissonArrivals(capacity * load, untilMs, random),
    instances,
    maxBatchSize,
    sloMs,
    prior: { perRowMs, fixedMs },
    random,
    serviceMs: (rows, atMs) =>
      (perRowMs * rows + fixedMs) * (0.9 + 0.2 * random()) * (atMs > untilMs / 2 ? slowdown : 1),
  }).goodput;
}

for (const [name, load, bound] of [
  ['A', 0.7, 0.999],
  ['A', 0.95, 0.985],
  ['A', 1.5, 0.64],
  ['B', 0.9, 0.999],
  ['B', 1.5, 0.655],
  ['C', 0.9, 0.998],
  ['C', 1.5, 0.655],
] as const) {
  test(`system ${name} at load ${load} answers at least ${bound} of the offered requests in time`, () => {
    const measured = goodput(name, load);
    assert.ok(measured >= bound, `${measured}`);
  });
}

test('ten times the capacity still yields 90 % of what the model can do', () => {
  const measured = goodput('B', 10) * 10;
  assert.ok(measured >= 0.9, `${measured} of the capacity`);
});

for (const name of ['A', 'B', 'C'] as const) {
  test(`system ${name} at load 0.7 keeps 79 % when the model turns twice as slow`, () => {
    const measured = goodput(name, 0.7, 2);
    assert.ok(measured >= 0.79, `${measured}`);
  });
}

test('at low load a lone request waits for nothing', () => {
  const random = seededRandom(3);
  const { latenciesMs } = simulate({
    arrivalsMs: [0, 50, 100, 150],
    instances: 2,
    maxBatchSize: 32,
    sloMs: 100,
    prior: { perRowMs: 0.1, fixedMs: 8 },
    random,
    serviceMs: (rows) => 0.1 * rows + 8,
  });
  for (const latency of latenciesMs) assert.ok(Math.abs(latency - 8.1) < 1e-9, `${latency}`);
});
