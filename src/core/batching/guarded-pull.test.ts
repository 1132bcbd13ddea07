import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '../simulated-clock.ts';
import type { Priority } from '../types.ts';
import { CostModel } from './cost-model.ts';
import { type Batch, GuardedPull, type SchedulerOptions } from './guarded-pull.ts';
import type { Work } from './work-queue.ts';

interface NamedWork extends Work {
  readonly name: string;
}

interface Run {
  readonly names: string[];
  readonly rows: number;
  readonly reason: string;
  finish(): void;
}

function setUp(options: Partial<SchedulerOptions<NamedWork>> = {}, prior = { perRowMs: 1, fixedMs: 1 }) {
  const clock = new SimulatedClock(1000);
  const runs: Run[] = [];
  const expired: string[] = [];
  const scheduler = new GuardedPull<NamedWork>({
    clock,
    random: () => 0.5,
    instances: 1,
    maxBatchSize: 4,
    maxDelayMs: undefined,
    sloMs: 100,
    maxQueueRows: 100,
    maxQueueBytes: 1000,
    expire: (work) => expired.push(work.name),
    run: (batch: Batch<NamedWork>, instance) =>
      runs.push({
        names: batch.slices.map(({ work, start, rows }) => `${work.name}:${start}+${rows}`),
        rows: batch.rows,
        reason: batch.reason,
        finish: () => {
          scheduler.finished(instance, batch, undefined);
          clock.flush();
        },
      }),
    ...options,
  });
  const bucket = scheduler.addBucket(new CostModel(prior));
  function offer(name: string, given: Partial<Work> = {}) {
    const work: NamedWork = {
      name,
      rows: 1,
      bytes: 1,
      priority: 0 as Priority,
      deadlineMs: clock.now() + 100,
      arrivalMs: clock.now(),
      solo: false,
      takenRows: 0,
      sequence: 0,
      gone: false,
      ...given,
    };
    return { work, refusal: scheduler.offer(work, bucket) };
  }
  return { clock, runs, expired, scheduler, bucket, offer };
}

test('requests of one turn of the loop share a batch, and the first does not wait for a timer', () => {
  const { clock, runs, offer } = setUp();
  offer('a');
  offer('b');
  clock.flush();
  assert.deepEqual(
    runs.map(({ names, reason }) => [names, reason]),
    [[['a:0+1', 'b:0+1'], 'idle']],
  );
  assert.equal(clock.now(), 1000);
});

test('what arrives while the instance is busy leaves together when it is free', () => {
  const { clock, runs, offer } = setUp();
  offer('a');
  clock.flush();
  for (const name of ['b', 'c', 'd', 'e', 'f']) offer(name);
  clock.flush();
  assert.equal(runs.length, 1);
  runs[0]!.finish();
  assert.deepEqual([runs[1]!.rows, runs[1]!.reason], [4, 'full']);
  runs[1]!.finish();
  assert.deepEqual(runs[2]!.names, ['f:0+1']);
});

test('priority goes first, then the earlier deadline, then arrival', () => {
  const { clock, runs, offer } = setUp({ maxBatchSize: 8 });
  offer('busy');
  clock.flush();
  offer('low', { priority: 2, deadlineMs: clock.now() + 90 });
  offer('late', { deadlineMs: clock.now() + 99 });
  offer('soon', { deadlineMs: clock.now() + 60 });
  offer('late2', { deadlineMs: clock.now() + 99 });
  runs[0]!.finish();
  assert.deepEqual(runs[1]!.names, ['soon:0+1', 'late:0+1', 'late2:0+1', 'low:0+1']);
});

test('a large request is cut to fill batches and shares them with others', () => {
  const { clock, runs, offer } = setUp();
  offer('big', { rows: 6 });
  offer('small');
  clock.flush();
  assert.deepEqual(runs[0]!.names, ['big:0+4']);
  runs[0]!.finish();
  assert.deepEqual(runs[1]!.names, ['big:4+2', 'small:0+1']);
});

test('solo work runs alone and lets nobody join', () => {
  const { clock, runs, offer } = setUp();
  offer('busy');
  clock.flush();
  offer('a', { deadlineMs: clock.now() + 50 });
  offer('alone', { solo: true, deadlineMs: clock.now() + 60 });
  offer('b', { deadlineMs: clock.now() + 70 });
  runs[0]!.finish();
  runs[1]!.finish();
  runs[2]!.finish();
  assert.deepEqual(
    runs.slice(1).map(({ names, reason }) => [names, reason]),
    [
      [['a:0+1'], 'idle'],
      [['alone:0+1'], 'solo'],
      [['b:0+1'], 'idle'],
    ],
  );
});

test('work that cannot finish in time is refused at once with the time to come back', () => {
  const { clock, offer } = setUp({}, { perRowMs: 10, fixedMs: 10 });
  // est(4) = 50 ms and the careful factor 1.2: one batch ahead leaves no room in 100 ms.
  assert.equal(offer('a', { rows: 4 }).refusal, undefined);
  clock.flush();
  const { refusal } = offer('b', { rows: 4 });
  assert.equal(refusal?.reason, 'deadline');
  assert.ok(Math.abs(refusal.retryAfterMs - (1.15 * (50 + 60) - 100)) < 1e-9, `${refusal.retryAfterMs}`);
});

test('less important work sees a wider margin', () => {
  const { clock, offer } = setUp({}, { perRowMs: 10, fixedMs: 10 });
  offer('a');
  clock.flush();
  assert.equal(offer('b', { priority: 3 }).refusal?.reason, 'deadline');
  assert.equal(offer('c', { priority: 0 }).refusal, undefined);
});

test('rows and bytes that wait are bounded', () => {
  const { clock, offer } = setUp({ maxQueueRows: 2, maxQueueBytes: 10 }, { perRowMs: 0.01, fixedMs: 0.01 });
  offer('busy');
  clock.flush();
  assert.equal(offer('a', { rows: 2 }).refusal, undefined);
  assert.equal(offer('b').refusal?.reason, 'queue-rows');
  const other = setUp({ maxQueueBytes: 10 });
  other.offer('busy');
  other.clock.flush();
  assert.equal(other.offer('a', { bytes: 11 }).refusal?.reason, 'queue-bytes');
});

test('a deadline that passes while the instance is busy fires at once, not when the instance is free', () => {
  const { clock, expired, offer, runs } = setUp();
  offer('busy');
  clock.flush();
  offer('later', { deadlineMs: clock.now() + 100 });
  offer('hurried', { deadlineMs: clock.now() + 40 });
  clock.advance(41);
  assert.deepEqual(expired, ['hurried']);
  clock.advance(60);
  assert.deepEqual(expired, ['hurried', 'later']);
  runs[0]!.finish();
  assert.equal(runs.length, 1);
});

test('cancelled work leaves the queue and its rows are not run', () => {
  const { clock, runs, scheduler, bucket, offer } = setUp();
  offer('busy');
  clock.flush();
  const { work } = offer('gone', { rows: 3 });
  offer('stays');
  assert.equal(scheduler.cancel(work, bucket), true);
  assert.deepEqual([scheduler.queuedRows, scheduler.queuedRequests], [1, 1]);
  runs[0]!.finish();
  assert.deepEqual(runs[1]!.names, ['stays:0+1']);
});

test('the operator’s maxDelayMs is honoured and a full batch ends it early', () => {
  const { clock, runs, offer } = setUp({ maxDelayMs: 5 });
  offer('a');
  clock.flush();
  assert.equal(runs.length, 0);
  clock.advance(5);
  assert.deepEqual([runs[0]!.names, runs[0]!.reason], [['a:0+1'], 'linger-expired']);
  runs[0]!.finish();
  for (const name of ['b', 'c', 'd', 'e']) offer(name);
  clock.flush();
  assert.equal(runs[1]!.reason, 'full');
});

test('a learned linger waits only beside a busy instance and at most 5 % of the SLO', () => {
  const { clock, runs, offer } = setUp({ instances: 2, sloMs: 100 }, { perRowMs: 0.1, fixedMs: 8 });
  offer('a');
  clock.flush();
  assert.deepEqual(
    runs.map(({ names }) => names),
    [['a:0+1']],
  );
  offer('b');
  clock.flush();
  clock.advance(4);
  offer('c');
  clock.flush();
  assert.equal(runs.length, 1);
  clock.advance(1);
  assert.deepEqual([runs[1]!.names, runs[1]!.reason], [['b:0+1', 'c:0+1'], 'linger-expired']);
});

test('an instance under replacement gets nothing until it is back', () => {
  const { clock, runs, scheduler, offer } = setUp();
  scheduler.setAvailable(0, false);
  offer('a');
  clock.flush();
  assert.equal(runs.length, 0);
  scheduler.setAvailable(0, true);
  clock.flush();
  assert.deepEqual(runs[0]!.names, ['a:0+1']);
});

test('work without rows runs once, alone, and does not hold up the rest', () => {
  const { clock, runs, offer } = setUp();
  offer('empty', { rows: 0, solo: true });
  offer('next');
  clock.flush();
  assert.deepEqual([runs.length, runs[0]!.names], [1, ['empty:0+0']]);
  runs[0]!.finish();
  assert.deepEqual(runs[1]!.names, ['next:0+1']);
});

test('an idle model thought too slow for its SLO is tried again, and relearns within a few requests', () => {
  const { clock, runs, bucket, offer } = setUp({}, { perRowMs: 0, fixedMs: 5000 });
  let tries = 0;
  for (; bucket.cost.estimateMs(1) > 50; tries++) {
    // Decoding took its microseconds before the request was offered.
    const arrivalMs = clock.now() - 0.01;
    assert.equal(offer(`try ${tries}`, { arrivalMs, deadlineMs: arrivalMs + 100 }).refusal, undefined);
    assert.equal(offer('beside it').refusal?.reason, 'deadline');
    clock.flush();
    runs[tries]!.finish();
    bucket.cost.observe(1, 2);
  }
  assert.ok(tries <= 30, `${tries} tries`);
});

test('of requests with less time than the SLO an idle model tries one in 32', () => {
  const { clock, offer, runs } = setUp({}, { perRowMs: 0, fixedMs: 500 });
  for (let index = 1; index < 32; index++) {
    assert.equal(offer('hurried', { deadlineMs: clock.now() + 50 }).refusal?.reason, 'deadline');
  }
  assert.equal(offer('hurried', { deadlineMs: clock.now() + 50 }).refusal, undefined);
  clock.flush();
  assert.equal(runs.length, 1);
});
