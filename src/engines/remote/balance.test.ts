import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandom } from '../../core/seeded-random.ts';
import { type Candidate, createBalancer } from './balance.ts';

const candidates = (weights: readonly number[], inFlight: readonly number[] = []): Candidate[] =>
  weights.map((weight, index) => ({ index, weight, inFlight: inFlight[index] ?? 0 }));

function counts(kind: Parameters<typeof createBalancer>[0], all: readonly Candidate[], picks: number): number[] {
  const balancer = createBalancer(kind, all.length, seededRandom(1));
  const seen = new Array<number>(all.length).fill(0);
  for (let pick = 0; pick < picks; pick++) seen[balancer.pick(all).index]!++;
  return seen;
}

describe('balancing', () => {
  it('goes round in turn, and goes on behind one that is away', () => {
    const [a, b, c] = candidates([1, 1, 1]) as [Candidate, Candidate, Candidate];
    const balancer = createBalancer('round-robin', 3, Math.random);
    const picked = [
      [a, b, c],
      [a, b, c],
      [a, c],
      [a, b],
      [b, c],
      [a, b, c],
    ].map((usable) => balancer.pick(usable).index);
    assert.deepEqual(picked, [0, 1, 2, 0, 1, 2]);
  });

  it('takes the one with the fewest calls in flight, and goes round among equals', () => {
    const balancer = createBalancer('least-in-flight', 3, Math.random);
    assert.equal(balancer.pick(candidates([1, 1, 1], [3, 1, 2])).index, 1);
    assert.deepEqual(counts('least-in-flight', candidates([1, 1, 1]), 9), [3, 3, 3]);
  });

  it('gives each its weight in every full round, spread out', () => {
    const all = candidates([5, 1, 1]);
    const balancer = createBalancer('weighted', 3, Math.random);
    const order = Array.from({ length: 7 }, () => balancer.pick(all).index);
    assert.deepEqual(order, [0, 0, 1, 0, 2, 0, 0]);
    const weights = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(weights, (given) => {
        const total = given.reduce((sum, weight) => sum + weight, 0);
        if (total > 0)
          assert.deepEqual(
            counts('weighted', candidates(given), 3 * total),
            given.map((weight) => 3 * weight),
          );
      }),
    );
  });

  it('uses weight 0 only when nobody else is left', () => {
    const [spare, main] = candidates([0, 1]) as [Candidate, Candidate];
    const balancer = createBalancer('weighted', 2, Math.random);
    assert.deepEqual(
      [[spare, main], [spare], [spare], [spare, main]].map((usable) => balancer.pick(usable).index),
      [1, 0, 0, 1],
    );
  });

  it('draws two at random and takes the less busy one', () => {
    assert.equal(counts('random-of-two', candidates([1, 1], [5, 4]), 20)[0], 0);
    const spread = counts('random-of-two', candidates([1, 1, 1, 1]), 4000);
    for (const count of spread) assert.ok(count > 800 && count < 1200, String(spread));
    assert.equal(counts('random-of-two', candidates([1, 1, 1], [9, 1, 1]), 300)[0], 0);
  });

  it('always picks one of the usable', () => {
    const kinds = ['round-robin', 'least-in-flight', 'weighted', 'random-of-two'] as const;
    const world = fc.record({
      kind: fc.constantFrom(...kinds),
      weights: fc.array(fc.nat(3), { minLength: 1, maxLength: 5 }),
      rounds: fc.array(fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), { maxLength: 20 }),
      seed: fc.integer(),
    });
    fc.assert(
      fc.property(world, ({ kind, weights, rounds, seed }) => {
        const all = candidates(weights);
        const balancer = createBalancer(kind, all.length, seededRandom(seed));
        for (const round of rounds) {
          const usable = all.filter(({ index }) => round[index]);
          if (usable.length > 0) assert.ok(usable.includes(balancer.pick(usable)));
        }
      }),
    );
  });
});
