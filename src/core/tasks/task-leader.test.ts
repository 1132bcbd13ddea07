import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MemoryTaskStore, settle, taskWorld } from '../testing/task-world.ts';

const done = { kind: 'done', result: { chosen: 'int8' } } as const;

describe('the leader', () => {
  it('runs tasks one after the other, the oldest first', async () => {
    const { submit, runs, store } = taskWorld();
    const [first, second] = [await submit('a'), await submit('b')];
    await settle();
    assert.deepEqual(
      runs.map(({ task }) => task.model),
      ['a'],
    );
    assert.equal(store.tasks.get(second.id)!.state, 'waiting');
    runs[0]!.end(done);
    await settle();
    assert.deepEqual(store.tasks.get(first.id)!.result, { chosen: 'int8' });
    assert.equal(store.tasks.get(first.id)!.state, 'done');
    assert.deepEqual(
      runs.map(({ task }) => task.model),
      ['a', 'b'],
    );
    assert.deepEqual(store.droppedWork, [first.id]);
  });

  it('keeps progress at most once a second, and never over the end', async () => {
    const { submit, runs, store, clock } = taskWorld();
    const { id } = await submit();
    await settle();
    runs[0]!.progress({ share: 0.1, what: 'one' });
    runs[0]!.progress({ share: 0.2, what: 'two' });
    await settle();
    assert.deepEqual(store.tasks.get(id)!.progress, { share: 0.1, what: 'one' });
    clock.advance(1000);
    runs[0]!.progress({ share: 0.3, what: 'three' });
    runs[0]!.end({ kind: 'failed', error: { code: 'INVALID_INPUT', message: 'data: has no rows.' } });
    await settle();
    const { state, error, progress, finishedMs } = store.tasks.get(id)!;
    assert.deepEqual([state, error!.message, progress.what], ['failed', 'data: has no rows.', 'three']);
    assert.ok(finishedMs !== undefined);
    assert.deepEqual(store.puts, ['running starting', 'running one', 'running three', 'failed three']);
  });

  it('sees what another process accepted or wants cancelled within a second', async () => {
    const store = new MemoryTaskStore();
    const leading = taskWorld(store);
    const other = taskWorld(store);
    const first = await leading.submit('a');
    await settle();
    const second = await other.submit('b');
    await settle();
    assert.deepEqual([leading.runs.length, other.runs.length], [1, 0]);
    await other.desk.cancel(first.id);
    assert.equal(leading.runs[0]!.stopped, false);
    leading.clock.advance(1000);
    await settle();
    assert.equal(store.tasks.get(first.id)!.state, 'cancelled');
    assert.deepEqual(
      leading.runs.map(({ task }) => task.id),
      [first.id, second.id],
    );
    assert.equal(other.leader.counts, undefined);
    assert.deepEqual(leading.leader.counts, { waiting: 0, running: 1, done: 0, failed: 0, cancelled: 1 });
  });

  it('stops a task that runs when it is cancelled, and goes on with the next', async () => {
    const { submit, desk, runs, store } = taskWorld();
    const [first] = [await submit('a'), await submit('b')];
    await settle();
    await desk.cancel(first.id);
    await settle();
    assert.deepEqual([runs[0]!.stopped, store.tasks.get(first.id)!.state], [true, 'cancelled']);
    assert.equal(runs[1]!.task.model, 'b');
  });

  it('never starts a task that was cancelled while it waited', async () => {
    const { submit, desk, runs, store } = taskWorld();
    const [, second] = [await submit('a'), await submit('b')];
    assert.equal((await desk.cancel(second.id))!.state, 'cancelled');
    runs[0]!.end(done);
    await settle();
    assert.equal(runs.length, 1);
    assert.deepEqual(store.droppedWork.sort(), [...store.tasks.keys()].sort());
  });

  it('lets a task be done that was done before it could be stopped', async () => {
    const { submit, desk, runs, store } = taskWorld();
    const { id } = await submit();
    await settle();
    runs[0]!.end(done);
    await desk.cancel(id);
    await settle();
    assert.equal(store.tasks.get(id)!.state, 'done');
  });

  it('tries once more after the death of the process, and gives up after the second', async () => {
    const { submit, runs, store } = taskWorld();
    const { id } = await submit();
    await settle();
    runs[0]!.end({ kind: 'died', how: 'signal SIGSEGV' });
    await settle();
    assert.deepEqual([runs.length, store.tasks.get(id)!.deaths], [2, 1]);
    runs[1]!.end({ kind: 'died', how: 'exit code 134' });
    await settle();
    const { state, error } = store.tasks.get(id)!;
    assert.deepEqual([runs.length, state, error!.code], [2, 'failed', 'ENGINE_CRASHED']);
    assert.match(error!.message, /died 2 times, the last time by exit code 134/);
  });

  it('puts the running task back when it closes, and its successor goes on with it', async () => {
    const store = new MemoryTaskStore();
    const before = taskWorld(store);
    const { id } = await before.submit();
    await settle();
    before.runs[0]!.progress({ share: 0.5, what: 'half' });
    const startedMs = store.tasks.get(id)!.startedMs;
    await before.leader.close();
    assert.equal(before.runs[0]!.stopped, true);
    const { state, progress, deaths } = store.tasks.get(id)!;
    assert.deepEqual([state, progress, deaths], ['waiting', { share: 0.5, what: 'waiting to go on' }, 0]);
    const after = taskWorld(store);
    await after.leader.wake();
    assert.equal(after.runs[0]!.task.id, id);
    assert.equal(store.tasks.get(id)!.startedMs, startedMs);
  });

  it('goes on with what a killed leader left running, and is not told of it as a death', async () => {
    const store = new MemoryTaskStore();
    const killed = taskWorld(store);
    const [first, second] = [await killed.submit('a'), await killed.submit('b')];
    await settle();
    const cancelled = await killed.submit('c');
    store.cancels.add(cancelled.id);
    store.loseLease();
    const after = taskWorld(store);
    await after.leader.wake();
    assert.deepEqual(
      after.runs.map(({ task }) => task.id),
      [first.id],
    );
    assert.equal(store.tasks.get(cancelled.id)!.state, 'cancelled');
    for (let death = 0; death < 2; death++) {
      after.runs[death]!.end({ kind: 'died', how: 'signal SIGKILL' });
      await settle();
    }
    assert.equal(store.tasks.get(first.id)!.state, 'failed');
    assert.equal(after.runs[2]!.task.id, second.id);
  });

  it('gives up on a task that ran when its server was killed for the fifth time', async () => {
    const store = new MemoryTaskStore();
    const first = taskWorld(store);
    const [task, other] = [await first.submit('a'), await first.submit('b')];
    await settle();
    const tried: number[] = [];
    for (let kill = 0; kill < 5; kill++) {
      store.loseLease();
      const next = taskWorld(store);
      await next.leader.wake();
      await settle();
      tried.push(next.runs.filter((each) => each.task.id === task.id).length);
      // An orderly stop in between is no kill.
      if (kill === 1) {
        await next.leader.close();
        const again = taskWorld(store);
        await again.leader.wake();
        assert.equal(again.runs[0]!.task.id, task.id);
      }
    }
    assert.deepEqual(tried, [1, 1, 1, 1, 0]);
    const { state, error } = store.tasks.get(task.id)!;
    assert.deepEqual([state, error!.code], ['failed', 'ENGINE_CRASHED']);
    assert.match(error!.message, /killed or crashed 5 times while it ran; it is not tried again/);
    assert.equal(store.tasks.get(other.id)!.state, 'running');
  });

  it('keeps the newest hundred of those that ended', async () => {
    const { submit, runs, store } = taskWorld();
    const ids: string[] = [];
    for (let index = 0; index < 103; index++) {
      ids.push((await submit()).id);
      await settle();
      runs[index]!.end(done);
      await settle();
    }
    assert.deepEqual([...store.tasks.keys()], ids.slice(3));
  });

  it('outlives a disk that is full: says so once, and runs the task again when it can', async () => {
    const { submit, runs, store, clock, log } = taskWorld();
    const { id } = await submit();
    await settle();
    store.failure = new Error('ENOSPC');
    runs[0]!.end(done);
    await settle();
    for (let second = 0; second < 5; second++) {
      clock.advance(1000);
      await settle();
    }
    assert.equal(log.filter((line) => line === 'background tasks cannot be looked after').length, 1);
    store.failure = undefined;
    clock.advance(1000);
    await settle();
    assert.equal(runs.length, 2);
    runs[1]!.end(done);
    await settle();
    assert.equal(store.tasks.get(id)!.state, 'done');
  });

  it('does nothing after it was closed', async () => {
    const { submit, runs, leader, clock } = taskWorld();
    await leader.close();
    await submit();
    clock.advance(60_000);
    await settle();
    assert.equal(runs.length, 0);
  });
});
