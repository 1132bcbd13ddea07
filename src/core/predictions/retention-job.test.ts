import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedClock } from '../simulated-clock.ts';
import { RetentionJob } from './retention-job.ts';
import { type LogLine, listLogger, turn } from './testing/prediction-world.ts';

const dayMs = 86_400_000;
const startMs = Date.UTC(2026, 0, 31);

function makeJob(days: number, prune: (beforeMs: number) => Promise<number>) {
  const clock = new SimulatedClock();
  const lines: LogLine[] = [];
  const wallClock = () => startMs + clock.now();
  const job = new RetentionJob({
    store: { prune },
    clock,
    wallClock,
    random: () => 0.5,
    logger: listLogger(lines),
    days,
  });
  job.start();
  return { clock, job, lines };
}

describe('retention job', () => {
  it('prunes some minutes after the start, then once a day, what is older than the days', async () => {
    const asked: number[] = [];
    const { clock } = makeJob(30, async (beforeMs) => asked.push(beforeMs));
    clock.advance(7 * 60_000);
    assert.deepEqual(asked, []);
    for (const waitMs of [30_000, dayMs, dayMs]) {
      clock.advance(waitMs);
      await turn();
    }
    const first = startMs + 7.5 * 60_000 - 30 * dayMs;
    assert.deepEqual(asked, [first, first + dayMs, first + 2 * dayMs]);
  });

  it('never prunes when all days are kept', () => {
    const { clock } = makeJob(0, () => assert.fail('pruned'));
    clock.advance(10 * dayMs);
  });

  it('logs a failure and tries again in about an hour', async () => {
    let calls = 0;
    const { clock, lines } = makeJob(1, async () => {
      if (++calls === 1) throw new Error('the database is gone');
      return 5;
    });
    clock.advance(10 * 60_000);
    await turn();
    assert.deepEqual([calls, lines.map(({ level }) => level)], [1, ['warn']]);
    clock.advance(70 * 60_000);
    await turn();
    assert.deepEqual([calls, lines.map(({ level }) => level)], [2, ['warn', 'info']]);
  });

  it('stops for good, after what runs has ended', async () => {
    let finish = (_dropped: number): void => {};
    let calls = 0;
    const { clock, job } = makeJob(1, () => {
      calls++;
      return new Promise((resolve) => {
        finish = resolve;
      });
    });
    clock.advance(10 * 60_000);
    let stopped = false;
    const stopping = job.stop().then(() => {
      stopped = true;
    });
    await turn();
    assert.equal(stopped, false);
    finish(0);
    await stopping;
    clock.advance(10 * dayMs);
    assert.equal(calls, 1);
  });

  it('begins nothing when stopped before its time', async () => {
    const { clock, job } = makeJob(1, () => assert.fail('pruned'));
    await job.stop();
    await job.stop();
    clock.advance(10 * dayMs);
  });
});
