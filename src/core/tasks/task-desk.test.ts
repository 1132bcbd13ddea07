import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HotpathError } from '../errors.ts';
import { settle, taskWorld } from '../testing/task-world.ts';

describe('the desk', () => {
  it('keeps a task with its input before it says so, and lists the newest first', async () => {
    const { submit, desk, store } = taskWorld();
    const first = await submit('a', ['{"features":[1]}', '{"features":[2]}']);
    const second = await submit('b');
    assert.deepEqual(store.lines.get(first.id), ['{"features":[1]}', '{"features":[2]}']);
    assert.deepEqual(
      (await desk.list()).map(({ id }) => id),
      [second.id, first.id],
    );
    const { state, progress, request, deaths } = second;
    assert.deepEqual([state, progress.share, request, deaths], ['waiting', 0, { target: 'size' }, 0]);
  });

  it('accepts nothing that cannot be kept', async () => {
    const { submit, store, runs } = taskWorld();
    store.failure = new HotpathError('UNSUPPORTED', 'no disk');
    await assert.rejects(submit(), /no disk/);
    await settle();
    assert.deepEqual([store.tasks.size, runs.length], [0, 0]);
  });

  it('refuses when a hundred wait, until one of them is gone', async () => {
    const { submit, desk } = taskWorld();
    for (let index = 0; index < 100; index++) await submit();
    await assert.rejects(submit(), (error) => error instanceof HotpathError && error.code === 'OVERLOADED');
    await desk.cancel((await desk.list())[0]!.id);
    await submit();
  });

  it('cancels what waits at once, leaves what has ended, and knows what is not there', async () => {
    const { submit, desk, store, runs } = taskWorld();
    const [first, second] = [await submit(), await submit()];
    await settle();
    assert.equal((await desk.cancel(second.id))!.state, 'cancelled');
    runs[0]!.end({ kind: 'done', result: {} });
    await settle();
    assert.equal((await desk.cancel(first.id))!.state, 'done');
    assert.deepEqual([...store.cancels], [second.id]);
    assert.equal(await desk.cancel('other'), undefined);
  });
});
