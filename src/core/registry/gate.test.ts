import assert from 'node:assert/strict';
import { it } from 'node:test';
import { settle } from '../testing/registry-world.ts';
import { Gate } from './gate.ts';

it('lets two through at a time, in order, and goes on behind one that fails', async () => {
  const gate = new Gate(2);
  const doors = Array.from({ length: 5 }, () => Promise.withResolvers<void>());
  const entered: number[] = [];
  const passages = doors.map((door, index) =>
    gate.run(() => {
      entered.push(index);
      return door.promise;
    }),
  );
  await settle();
  assert.deepEqual(entered, [0, 1]);
  const failed = assert.rejects(passages[1]!, /closed/);
  doors[1]!.reject(new Error('closed'));
  await failed;
  await settle();
  assert.deepEqual(entered, [0, 1, 2]);
  for (const door of doors) door.resolve();
  await Promise.allSettled(passages);
  assert.deepEqual(entered, [0, 1, 2, 3, 4]);
});
