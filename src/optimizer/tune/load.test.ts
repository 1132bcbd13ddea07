/** The two loads that a setting is measured under, on a clock that is driven by hand and instances of known speed. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HotpathError } from '../../core/errors.ts';
import { seededRandom } from '../../core/seeded-random.ts';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { EngineInstance } from '../../ports/engine.ts';
import { type OpenLoopJob, runOpenLoop } from './open-loop.ts';
import { type OpenedModel, type SaturateJob, saturate } from './saturate.ts';
import { ServiceTimes } from './service-times.ts';

const stepMs = 0.05;

interface World {
  readonly instances?: number;
  readonly batchable?: boolean;
  readonly runMs: (rows: number) => number;
  /** Runs with at least so many rows fail. */
  readonly failsFromRows?: number;
}

function open(world: World): {
  readonly model: OpenedModel;
  readonly batches: number[];
  readonly clock: SimulatedClock;
} {
  const { instances = 1, batchable = true, runMs, failsFromRows = Number.POSITIVE_INFINITY } = world;
  const clock = new SimulatedClock();
  const batches: number[] = [];
  const instance = (id: number): EngineInstance => ({
    id,
    available: true,
    onAvailable: undefined,
    run: (inputs) => {
      const rows = inputs[0]!.shape[0]!;
      batches.push(rows);
      return new Promise((resolve, reject) => {
        clock.after(runMs(rows), () => {
          if (rows >= failsFromRows) reject(new HotpathError('ENGINE_FAILED', 'too many rows'));
          else resolve({ outputs: inputs, inferMs: runMs(rows) });
        });
      });
    },
  });
  const spec = { name: 'x', datatype: 'float32', shape: [-1, 2] } as const;
  const row: Tensor = { datatype: 'float32', shape: [1, 2], data: new Float32Array(2) };
  const model: OpenedModel = {
    view: {
      name: 'm',
      version: '1',
      signature: { inputs: [spec], outputs: [spec], skippedOutputs: [] },
      batchable,
      labels: undefined,
      nan: 'reject',
    },
    instances: Array.from({ length: instances }, (_, id) => instance(id)),
    batchable,
    rows: [[row]],
    clock,
    random: seededRandom(1),
  };
  return { model, batches, clock };
}

/** Moves the clock until the work is done. */
async function drive<T>(clock: SimulatedClock, work: Promise<T>): Promise<T> {
  let done = false;
  const settled = work.finally(() => {
    done = true;
  });
  settled.catch(() => {});
  while (!done) {
    clock.advance(stepMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return settled;
}

function saturated(world: World, job: Partial<SaturateJob>) {
  const { model, batches, clock } = open(world);
  const work = saturate(model, { batchSizes: [1, 2, 4, 8], budgetMs: 300, limitMs: 1000, ...job });
  return drive(clock, work).then(({ readings, failure }) => ({ readings, failure, batches }));
}

describe('a saturated model', () => {
  it('is kept full on all instances, and its times are those of full batches', async () => {
    const { readings, batches, failure } = await saturated({ instances: 2, runMs: (rows) => 2 + rows / 2 }, {});
    assert.equal(failure, undefined);
    assert.deepEqual([...new Set(batches)].sort(), [1, 2, 4, 8]);
    const times = new ServiceTimes(readings);
    assert.deepEqual(times.rows, [1, 2, 4, 8]);
    for (const rows of times.rows) {
      const measured = times.medianMs(rows);
      // The clock goes in steps.
      assert.ok(Math.abs(measured - (2 + rows / 2)) <= 3 * stepMs, `${rows} rows: ${measured}`);
    }
  });

  it('ends with the first batch that takes too long, and with the one before a batch that fails', async () => {
    const long = await saturated({ runMs: (rows) => 4 * rows }, { limitMs: 7 });
    assert.deepEqual([...new Set(long.readings.map(({ rows }) => rows))], [1, 2]);
    const failing = await saturated({ runMs: (rows) => rows, failsFromRows: 4 }, {});
    assert.deepEqual([...new Set(failing.readings.map(({ rows }) => rows))], [1, 2]);
    assert.equal(failing.failure, 'too many rows');
    await assert.rejects(saturated({ runMs: () => 1, failsFromRows: 1 }, {}), /too many rows/);
  });

  it('runs one by one where rows cannot be joined', async () => {
    const { readings, batches } = await saturated(
      { batchable: false, instances: 2, runMs: () => 3 },
      { batchSizes: [1] },
    );
    assert.deepEqual([...new Set(batches)], [1]);
    assert.ok(Math.abs(new ServiceTimes(readings).medianMs(1) - 3) <= 3 * stepMs);
  });
});

describe('an open loop', () => {
  const offer = (world: World, job: Partial<OpenLoopJob>) => {
    const { model, clock } = open(world);
    const prior = { perRowMs: 0, fixedMs: world.runMs(1) };
    const whole = { gapsMs: [20], firstGap: 0, durationMs: 2000, sloMs: 100, maxBatchSize: 1, prior, ...job };
    return drive(clock, runOpenLoop(model, whole));
  };

  it('answers all in time what can be answered', async () => {
    const { offered, inTime, p50Ms, p99Ms, seconds } = await offer({ runMs: () => 10 }, {});
    assert.deepEqual([offered, inTime], [99, 99]);
    assert.ok(p50Ms >= 10 && p99Ms < 11, `${p50Ms} ${p99Ms}`);
    assert.ok(seconds < 2.1);
  });

  it('under overload answers what the instances can, whatever is offered', async () => {
    const { offered, inTime, seconds } = await offer({ runMs: () => 10 }, { gapsMs: [2.5] });
    assert.equal(offered, 799);
    assert.ok(Math.abs(inTime / seconds - 100) < 5, `${inTime / seconds} per second`);
  });

  it('begins anywhere in the traffic', async () => {
    const gapsMs = [1, 1, 1, 1, 500];
    assert.equal((await offer({ runMs: () => 1 }, { gapsMs, durationMs: 400, firstGap: 0 })).offered, 4);
    assert.equal((await offer({ runMs: () => 1 }, { gapsMs, durationMs: 400, firstGap: 4 })).offered, 0);
  });
});
