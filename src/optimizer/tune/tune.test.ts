/** The whole search with settings whose times are given instead of measured: what is chosen, and when the default stays. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HotpathError } from '../../core/errors.ts';
import { seededRandom } from '../../core/seeded-random.ts';
import type { OpenLoopJob, OpenLoopResult } from './open-loop.ts';
import type { TuneResult } from './result.ts';
import { buildSpace, type Point, pointKey } from './space.ts';
import type { TuneTools } from './tools.ts';
import { syntheticTraffic } from './traffic.ts';
import { type TuneOptions, tune } from './tune.ts';

const start: Point = { instances: 1, intraOpThreads: 4, graphOptimizationLevel: 'all', executionProvider: 'cpu' };
const space = buildSpace(4, start, { level: 'all' }, ['cpu']);

interface World {
  /** Milliseconds of one row on one instance. */
  readonly rowMs: (point: Point) => number;
  /** How many requests it really answers per second, when that differs from what was measured. */
  readonly really?: (point: Point) => number;
  readonly broken?: (point: Point) => boolean;
  readonly sloMs?: number;
}

async function run(world: World, over: Partial<TuneOptions> = {}) {
  const opened: string[] = [];
  let open = 0;
  let now = 0;
  const tools: TuneTools = {
    open: async (point) => {
      if (world.broken?.(point)) throw new HotpathError('MODEL_FAILED', 'out of memory');
      opened.push(pointKey(point));
      open++;
      let closed = false;
      return {
        warm: [{ rows: 1, ms: world.rowMs(point) }],
        saturate: async ({ batchSizes, budgetMs }) => {
          // Starting a process takes time too.
          now += 1.5 * budgetMs;
          return {
            readings: batchSizes.map((rows) => ({
              rows,
              ms: [0.95, 1, 1.05].map((factor) => factor * rows * world.rowMs(point)),
            })),
          };
        },
        openLoop: async (job) => answerAt(job, world.really?.(point) ?? (1000 * point.instances) / world.rowMs(point)),
        close: async () => {
          if (!closed) open--;
          closed = true;
        },
      };
    },
    derive: () => ({ maxBatchSize: 1, sloMs: world.sloMs ?? 500 }),
    nowMs: () => now,
    onProgress: () => {},
  };
  const options: TuneOptions = {
    space,
    start,
    batches: { sizes: [1], fixed: 1 },
    traffic: syntheticTraffic(2000, seededRandom(1)),
    ratePerSecond: undefined,
    sloMs: undefined,
    budgetMs: 60_000,
    ...over,
  };
  let result: TuneResult | undefined;
  let error: unknown;
  try {
    result = await tune(options, tools);
  } catch (caught) {
    error = caught;
  }
  assert.equal(open, 0, 'a process is left open');
  return { result, error, opened };
}

/** A server that answers so many per second at most, and the sooner the less it is loaded. */
function answerAt({ gapsMs, durationMs }: OpenLoopJob, capacity: number): OpenLoopResult {
  const meanGapMs = gapsMs.reduce((sum, gap) => sum + gap, 0) / gapsMs.length;
  const seconds = durationMs / 1000;
  const offered = Math.max(1, Math.round(durationMs / meanGapMs));
  const inTime = Math.min(offered, capacity * seconds);
  return { offered, inTime, seconds, p50Ms: 1000 / capacity, p99Ms: 3000 / capacity };
}

/** More threads help little. */
const poorThreads = ({ intraOpThreads }: Point) => 20 / intraOpThreads ** 0.5;

describe('tune', () => {
  it('moves from one wide instance to many narrow ones, and proves it', async () => {
    const { result } = await run({ rowMs: poorThreads });
    assert.equal(pointKey(result!.challenger!.settings), 'cpu 4 x 1 all');
    assert.ok(result!.improved && result!.finished);
    assert.ok(Math.abs(result!.gain! - 2) < 0.05, `${result!.gain}`);
    assert.match(
      result!.choice,
      /^4 instances x 1 thread, unbatched: 2\.00 times the requests that the default answers/,
    );
    assert.equal(pointKey(result!.points[0]!.point), pointKey(start));
  });

  it('keeps the default where nothing promises more', async () => {
    const { result } = await run({
      rowMs: ({ instances, intraOpThreads }) => (20 * instances ** 1.5) / intraOpThreads,
    });
    assert.deepEqual([result!.challenger, result!.gain, result!.improved], [undefined, undefined, false]);
    assert.match(result!.choice, /No other setting promised more/);
  });

  it('keeps the default where the promise does not hold', async () => {
    const { result } = await run({ rowMs: poorThreads, really: ({ instances }) => 100 + instances });
    assert.notEqual(result!.challenger, undefined);
    assert.equal(result!.improved, false);
    assert.match(result!.choice, /promised more, but measured it is 1\.\d\d times the default, which is within noise/);
  });

  it('takes a lower p99 at a given rate that both can answer', async () => {
    const { result } = await run({ rowMs: poorThreads }, { ratePerSecond: 30 });
    assert.equal(result!.improved, true);
    assert.match(result!.choice, /the p99 of the default is 2\.00 times as long/);
  });

  it('says which settings could not be used, and goes on', async () => {
    const { result } = await run({ rowMs: poorThreads, broken: ({ instances }) => instances === 4 });
    assert.equal(pointKey(result!.challenger!.settings), 'cpu 2 x 2 all');
    assert.deepEqual(
      result!.failures.map(({ point, reason }) => [pointKey(point), reason]),
      [['cpu 4 x 1 all', 'out of memory']],
    );
  });

  it('fails when the default cannot be loaded, or nothing is fast enough', async () => {
    const unusable = await run({ rowMs: poorThreads, broken: () => true });
    assert.match((unusable.error as Error).message, /out of memory/);
    const hopeless = await run({ rowMs: poorThreads, sloMs: 5 });
    assert.match(
      (hopeless.error as Error).message,
      /No setting answers requests within 5 ms: one row takes \d+ ms\. Give a longer time/,
    );
  });

  it('stops searching when the time is up', async () => {
    const wide = buildSpace(64, start, {}, ['cpu']);
    const { result, opened } = await run({ rowMs: poorThreads }, { space: wide, budgetMs: 2000 });
    assert.equal(result!.finished, false);
    assert.ok(opened.length < result!.possible, `${opened.length}`);
  });
});
