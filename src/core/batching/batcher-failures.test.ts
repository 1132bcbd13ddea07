import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { HotpathError } from '../errors.ts';
import { seededRandom } from '../seeded-random.ts';
import { assertOwnAnswer, codeOf, SummingInstance, setUp } from '../testing/batcher-world.ts';

test('workers that die at random moments cost nobody an answer as long as no row dies twice', async () => {
  const random = seededRandom(5);
  const died = new Set<number>();
  const instances = [0, 1].map(() => {
    const instance: SummingInstance = new SummingInstance(async (firsts) => {
      await turn();
      if (random() < 0.2 && !firsts.some((first) => died.has(first))) {
        for (const first of firsts) died.add(first);
        instance.crash();
      }
    });
    return instance;
  });
  const { submit } = setUp(instances);
  const requests = Array.from({ length: 300 }, (_, index) => [[index, 1, 2]]);
  await Promise.all(requests.map((rows) => assertOwnAnswer(submit(rows), rows)));
  assert.ok(died.size > 0, 'no worker died in this run');
});

test('an input that kills two workers is refused as poison and its neighbours are answered', async () => {
  let crashes = 0;
  const instance: SummingInstance = new SummingInstance((firsts) => {
    if (!firsts.includes(666)) return;
    crashes++;
    instance.crash();
  });
  const { submit } = setUp([instance]);
  const good = [1, 2, 3].map((first) => assertOwnAnswer(submit([[first, 0, 0]]), [[first, 0, 0]]));
  await assert.rejects(submit([[666, 0, 0]]), codeOf('POISON_INPUT'));
  await Promise.all(good);
  assert.equal(crashes, 2);
});

test('a row the runtime refuses fails alone, its neighbours run again without it', async () => {
  const instance = new SummingInstance((firsts) => {
    if (firsts.includes(13)) throw new HotpathError('ENGINE_FAILED', 'indices element out of bounds');
  });
  const { submit } = setUp([instance]);
  const good = assertOwnAnswer(submit([[1, 2, 3]]), [[1, 2, 3]]);
  await assert.rejects(submit([[13, 0, 0]]), /indices element out of bounds/);
  await good;
});

test('an engine that refuses for its own sake is not asked again for each member of the batch', async () => {
  const first = Promise.withResolvers<void>();
  const instance = new SummingInstance(async (firsts) => {
    if (firsts[0] === 1) return first.promise;
    throw new HotpathError('OVERLOADED', 'Too busy.');
  });
  const { submit } = setUp([instance]);
  const opening = submit([[1, 0, 0]]);
  await turn();
  const joined = [submit([[5, 0, 0]]), submit([[6, 0, 0]])];
  first.resolve();
  await opening;
  for (const request of joined) await assert.rejects(request, { code: 'OVERLOADED' });
  assert.deepEqual(instance.batches, [[1], [5, 6]]);
});
