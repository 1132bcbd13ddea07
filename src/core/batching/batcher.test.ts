import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import type { EngineInstance, EngineRun, RunLimits } from '../../ports/engine.ts';
import { HotpathError } from '../errors.ts';
import { seededRandom } from '../seeded-random.ts';
import type { Tensor } from '../tensor.ts';
import { CancelToken, type ModelView } from '../types.ts';
import { Batcher, type BatcherOptions } from './batcher.ts';
import { CostModel } from './cost-model.ts';

const view: ModelView = {
  name: 'sums',
  version: '1',
  signature: {
    inputs: [{ name: 'x', datatype: 'float32', shape: [-1, 3] }],
    outputs: [
      { name: 'sum', datatype: 'float32', shape: [-1, 1] },
      { name: 'copy', datatype: 'float32', shape: [-1, 3] },
    ],
    skippedOutputs: [],
  },
  batchable: true,
  labels: undefined,
  nan: 'reject',
};

/** Really adds the rows it is given; `script` says what happens to a batch before that. */
class SummingInstance implements EngineInstance {
  readonly id = 0;
  available = true;
  onAvailable: (() => void) | undefined;
  readonly batches: number[][] = [];
  readonly #script: (rows: number[]) => Promise<void> | void;

  constructor(script: (firsts: number[]) => Promise<void> | void = () => {}) {
    this.#script = script;
  }

  async run(inputs: readonly Tensor[]): Promise<EngineRun> {
    const data = inputs[0]!.data as Float32Array<ArrayBuffer>;
    const rows = inputs[0]!.shape[0]!;
    const firsts = Array.from({ length: rows }, (_, row) => data[row * 3]!);
    this.batches.push(firsts);
    await this.#script(firsts);
    const sums = new Float32Array(rows);
    for (let index = 0; index < data.length; index++) sums[Math.floor(index / 3)]! += data[index]!;
    return {
      inferMs: 1,
      outputs: [
        { datatype: 'float32', shape: [rows, 1], data: sums },
        { datatype: 'float32', shape: [rows, 3], data },
      ],
    };
  }

  crash(): never {
    this.available = false;
    setImmediate(() => {
      this.available = true;
      this.onAvailable?.();
    });
    throw new HotpathError('ENGINE_CRASHED', 'The worker died.');
  }
}

function setUp(instances: SummingInstance[], options: Partial<BatcherOptions> = {}) {
  const counts = { shed: 0, expired: 0, cancelled: 0, batches: 0, rows: 0 };
  const batcher = new Batcher({
    model: view,
    instances,
    clock: {
      now: () => performance.now(),
      after: (ms, run) => setTimeout(run, ms).unref(),
      clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
      defer: (run) => void setImmediate(run),
    },
    random: () => 0.5,
    telemetry: {
      request: () => {},
      stages: () => {},
      batch: (rows) => {
        counts.batches++;
        counts.rows += rows;
      },
      shed: () => counts.shed++,
      expired: () => counts.expired++,
      cancelled: () => counts.cancelled++,
      workerRestarted: () => {},
      cacheRows: () => {},
      cacheTier: () => {},
    },
    cost: new CostModel({ perRowMs: 0.001, fixedMs: 0.01 }),
    batchable: true,
    maxBatchSize: 8,
    maxDelayMs: undefined,
    sloMs: 10_000,
    maxQueueRows: 100_000,
    maxQueueBytes: 1e9,
    ...options,
  });
  interface Given {
    readonly cancel?: CancelToken;
    readonly solo?: boolean;
    readonly timeoutMs?: number;
    readonly arrivalMs?: number;
  }
  function submit(rows: number[][], given: Given = {}) {
    const input: Tensor = { datatype: 'float32', shape: [rows.length, 3], data: new Float32Array(rows.flat()) };
    return batcher.submit([input], {
      priority: 0,
      arrivalMs: given.arrivalMs ?? performance.now(),
      timeoutMs: given.timeoutMs,
      solo: given.solo ?? false,
      cancel: given.cancel,
    });
  }
  return { batcher, counts, submit };
}

async function assertOwnAnswer(answer: ReturnType<ReturnType<typeof setUp>['submit']>, rows: number[][]) {
  const { outputs } = await answer;
  assert.deepEqual(outputs[0]!.shape, [rows.length, 1]);
  assert.deepEqual(
    Array.from(outputs[0]!.data as Float32Array),
    rows.map(([a, b, c]) => Math.fround(a! + b! + c!)),
  );
  assert.deepEqual(Array.from(outputs[1]!.data as Float32Array), rows.flat());
}

const codeOf = (code: string) => (error: HotpathError) => error.code === code;

test('64 callers with random row counts each get the answer they would have had alone', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.tuple(fc.nat(999), fc.nat(999), fc.nat(999)), { minLength: 1, maxLength: 20 }), {
        minLength: 64,
        maxLength: 64,
      }),
      fc.integer({ min: 1, max: 3 }),
      async (requests, instances) => {
        const { submit, batcher } = setUp(Array.from({ length: instances }, () => new SummingInstance(() => turn())));
        await Promise.all(requests.map((rows) => assertOwnAnswer(submit(rows), rows)));
        assert.equal(batcher.status().inFlightRequests, 0);
        await batcher.close();
      },
    ),
    { numRuns: 15 },
  );
});

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

test('a client that leaves while it waits is not run', async () => {
  let release = () => {};
  const instance = new SummingInstance(
    () =>
      new Promise<void>((resolve) => {
        release = resolve;
      }),
  );
  const { submit, counts } = setUp([instance]);
  const first = submit([[1, 0, 0]]);
  await turn();
  const cancel = new CancelToken();
  const second = submit([[2, 0, 0]], { cancel });
  cancel.cancel();
  await assert.rejects(second, codeOf('CANCELLED'));
  release();
  await first;
  assert.deepEqual(instance.batches, [[1]]);
  assert.equal(counts.cancelled, 1);
});

test('batching off runs each request alone', async () => {
  const instance = new SummingInstance();
  const { submit } = setUp([instance]);
  await Promise.all([submit([[1, 0, 0]], { solo: true }), submit([[2, 0, 0]], { solo: true })]);
  assert.deepEqual(instance.batches, [[1], [2]]);
});

test('a model that answers another number of rows is an error, never somebody else’s row', async () => {
  const instance = new SummingInstance();
  instance.run = async () => ({
    inferMs: 1,
    outputs: [{ datatype: 'float32', shape: [1, 1], data: new Float32Array(1) }],
  });
  const { submit } = setUp([instance]);
  const results = await Promise.allSettled([
    submit([
      [1, 0, 0],
      [2, 0, 0],
    ]),
  ]);
  assert.equal(results[0]!.status, 'rejected');
});

test('close refuses new work and resolves after the last answer', async () => {
  const instance = new SummingInstance(() => turn());
  const { batcher, submit } = setUp([instance]);
  const accepted = assertOwnAnswer(submit([[4, 5, 6]]), [[4, 5, 6]]);
  const closed = batcher.close();
  await assert.rejects(submit([[1, 0, 0]]), codeOf('SHUTTING_DOWN'));
  await accepted;
  await closed;
});

test('what cannot be answered in time is refused and counted', async () => {
  const { submit, counts } = setUp([new SummingInstance()], { cost: new CostModel({ perRowMs: 50, fixedMs: 50 }) });
  await assert.rejects(submit([[1, 0, 0]], { timeoutMs: 20 }), (error: HotpathError) => {
    assert.equal(error.code, 'OVERLOADED');
    assert.ok((error.details?.retryAfterSeconds ?? 0) > 0);
    return true;
  });
  assert.equal(counts.shed, 1);
});

test('a request without rows is answered with none', async () => {
  const { submit } = setUp([new SummingInstance()]);
  const [empty] = await Promise.all([submit([]), assertOwnAnswer(submit([[1, 2, 3]]), [[1, 2, 3]])]);
  assert.deepEqual(
    empty.outputs.map(({ shape }) => shape),
    [
      [0, 1],
      [0, 3],
    ],
  );
});

/** Heeds the limits of its runs: ends when nobody waits any more. */
class LimitedInstance extends SummingInstance {
  readonly takesLimits = true;
  readonly limits: RunLimits[] = [];

  override async run(inputs: readonly Tensor[], _outputs?: readonly string[], limits?: RunLimits): Promise<EngineRun> {
    this.limits.push(limits!);
    const gone = new Promise<never>((_, reject) => {
      limits!.cancel.onCancel = () => reject(new HotpathError('CANCELLED', 'Nobody waits.'));
    });
    return Promise.race([super.run(inputs), gone]);
  }
}

test('a run that heeds limits learns the latest deadline, and that nobody waits any more', async () => {
  const first = Promise.withResolvers<void>();
  const instance = new LimitedInstance((firsts) => (firsts[0] === 1 ? first.promise : new Promise(() => {})));
  const { batcher, submit } = setUp([instance]);
  const opening = submit([[1, 0, 0]]);
  await turn();
  const tokens = [new CancelToken(), new CancelToken()];
  const arrivalMs = performance.now();
  const joined = tokens.map((cancel, index) =>
    submit([[5, 0, 0]], { cancel, arrivalMs, timeoutMs: 1000 * (index + 1) }),
  );
  first.resolve();
  await opening;
  while (instance.limits.length < 2) await turn();
  const { deadlineMs, cancel } = instance.limits[1]!;
  assert.equal(deadlineMs, arrivalMs + 2000);
  tokens[0]!.cancel();
  await assert.rejects(joined[0]!, { code: 'CANCELLED' });
  assert.equal(cancel.cancelled, false);
  tokens[1]!.cancel();
  await assert.rejects(joined[1]!, { code: 'CANCELLED' });
  assert.equal(cancel.cancelled, true);
  await batcher.close();
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
