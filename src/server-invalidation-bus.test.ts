import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Invalidation } from './ports/cache-store.ts';
import { joinBuses } from './server-invalidation-bus.ts';

test('what is published reaches siblings and other servers, also when one of them fails', async () => {
  const heard: string[] = [];
  const remote = {
    publish: async ({ model }: Invalidation) => void heard.push(`redis ${model}`),
    onInvalidation: () => {},
  };
  const bus = joinBuses(async ({ model }) => void heard.push(`sibling ${model}`), remote);
  await bus.publish({ model: 'iris' });
  assert.deepEqual(heard, ['sibling iris', 'redis iris']);
  const broken = joinBuses(() => Promise.reject(new Error('process 2 failed')), remote);
  await assert.rejects(broken.publish({ model: 'b*' }), { message: 'process 2 failed' });
  assert.equal(heard.at(-1), 'redis b*');
  await joinBuses(async () => {}, undefined).publish({ model: '*' });
});

test('what siblings and other servers publish reaches every handler, and is not published again', () => {
  let fromRemote: ((invalidation: Invalidation) => void) | undefined;
  const published: Invalidation[] = [];
  const bus = joinBuses(async (invalidation) => void published.push(invalidation), {
    publish: async (invalidation) => void published.push(invalidation),
    onInvalidation: (handler) => {
      fromRemote = handler;
    },
  });
  const heard: string[] = [];
  bus.onInvalidation(({ model }) => heard.push(`a ${model}`));
  bus.onInvalidation(({ model }) => heard.push(`b ${model}`));
  bus.deliver({ model: 'one' });
  fromRemote!({ model: 'two' });
  assert.deepEqual([heard, published], [['a one', 'b one', 'a two', 'b two'], []]);
});
