import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Batcher, SubmitOptions } from './batching/batcher.ts';
import { HotpathError, invalidInput } from './errors.ts';
import { type InferDeps, infer, type ModelLease } from './infer.ts';
import { SimulatedClock } from './simulated-clock.ts';
import type { Tensor } from './tensor.ts';
import type { InferCall, ModelView } from './types.ts';

const view: ModelView = {
  name: 'pair',
  version: '3',
  signature: {
    inputs: [{ name: 'x', datatype: 'float32', shape: [-1, 1] }],
    outputs: [
      { name: 'double', datatype: 'float32', shape: [-1, 1] },
      { name: 'square', datatype: 'float32', shape: [-1, 1] },
    ],
    skippedOutputs: [],
  },
  batchable: true,
  labels: undefined,
  nan: 'reject',
};

const column = (...values: number[]): Tensor => ({
  datatype: 'float32',
  shape: [values.length, 1],
  data: new Float32Array(values),
});

function setUp() {
  const clock = new SimulatedClock();
  const seen: SubmitOptions[] = [];
  let leases = 0;
  const batcher = {
    submit: async (inputs: readonly Tensor[], options: SubmitOptions) => {
      seen.push(options);
      const values = Array.from(inputs[0]!.data as Float32Array);
      return {
        outputs: [column(...values.map((value) => 2 * value)), column(...values.map((value) => value * value))],
        queueMs: 1,
        batchMs: 2,
        inferMs: 3,
        batchRows: 4,
        release: 'idle',
      };
    },
  } as unknown as Batcher;
  const lease = (): ModelLease => {
    leases++;
    return { model: { view, runner: batcher, sloMs: 1000 }, release: () => leases-- };
  };
  const deps: InferDeps = { clock, acquire: lease };
  return { clock, seen, lease, deps, leases: () => leases };
}

const call = (given: Partial<InferCall> = {}): InferCall => ({ model: 'pair', decode: () => [column(3, 5)], ...given });

test('answers with every output of the signature by name, and gives back the lease', async () => {
  const { deps, leases } = setUp();
  const response = await infer(deps, call());
  assert.deepEqual(
    response.outputs.map(({ name, data }) => [name, Array.from(data as Float32Array)]),
    [
      ['double', [6, 10]],
      ['square', [9, 25]],
    ],
  );
  assert.equal(leases(), 0);
});

test('answers only the outputs that were asked for', async () => {
  const { deps } = setUp();
  const { outputs } = await infer(deps, call({ outputs: ['square'] }));
  assert.deepEqual(
    outputs.map(({ name }) => name),
    ['square'],
  );
});

test('passes priority, deadline, solo, sequence and cache directive on to the runner', async () => {
  const { deps, seen } = setUp();
  const sequence = { id: 7n, start: true, end: false };
  await infer(deps, call({ priority: 2, timeoutMs: 70, batching: 'off', sequence, cache: 'no-store' }));
  const passed = { priority: 2, arrivalMs: 0, timeoutMs: 70, solo: true, cancel: undefined, sequence };
  assert.deepEqual(seen[0], { ...passed, cache: 'no-store' });
});

test('an input that does not decode leaves nothing behind', async () => {
  const { deps, leases } = setUp();
  const decode = () => {
    throw invalidInput('features', 'features: expected 4 numbers, got 3');
  };
  await assert.rejects(infer(deps, call({ decode })), /expected 4 numbers/);
  assert.equal(leases(), 0);
});

test('a request with a deadline does not wait longer for a cold model, and the late lease is given back', async () => {
  const { clock, deps, lease, leases } = setUp();
  const loading = Promise.withResolvers<ModelLease>();
  const answer = infer({ ...deps, acquire: () => loading.promise }, call({ timeoutMs: 50 }));
  clock.advance(50);
  await assert.rejects(answer, (error: HotpathError) => error.code === 'DEADLINE_EXCEEDED');
  loading.resolve(lease());
  await loading.promise;
  await Promise.resolve();
  assert.equal(leases(), 0);
});

test('a request without a deadline waits for a cold model', async () => {
  const { deps, lease } = setUp();
  const loading = Promise.withResolvers<ModelLease>();
  const answer = infer({ ...deps, acquire: () => loading.promise }, call());
  loading.resolve(lease());
  assert.equal((await answer).model.version, '3');
});

test('a caller with a scope asks only its models, and nothing is loaded for a refused one', async () => {
  const { deps, leases } = setUp();
  let acquired = 0;
  const counted = {
    ...deps,
    acquire: (...names: Parameters<InferDeps['acquire']>) => {
      acquired++;
      return deps.acquire(...names);
    },
  };
  const caller = { id: 'key:a', role: 'predict', models: ['pa*'], limits: {} } as const;
  assert.equal((await infer(counted, call({ caller }))).outputs.length, 2);
  for (const [model, defaultModel] of [
    ['other', 'pair'],
    [undefined, 'other'],
  ] as const) {
    const asked = infer({ ...counted, defaultModel: () => defaultModel }, call({ caller, model }));
    await assert.rejects(asked, { code: 'PERMISSION_DENIED', message: 'The caller may not use the model "other".' });
  }
  assert.equal(acquired, 1);
  assert.equal(
    (await infer({ ...counted, defaultModel: () => 'pair' }, call({ caller, model: undefined }))).outputs.length,
    2,
  );
  assert.equal(leases(), 0);
});

test('entities are fetched and joined before decoding, and the time that took is gone from the deadline', async () => {
  const { deps, clock, seen, lease } = setUp();
  const order: string[] = [];
  const rows = [{ age: 3 }, undefined];
  const features = {
    getMany: async (entities: readonly string[]) => {
      order.push(`fetch ${entities.join()}`);
      clock.advance(40);
      return rows;
    },
  };
  const given = lease();
  const acquire = () => ({ ...given, model: { ...given.model, features } });
  const joined: unknown[] = [];
  const asked = call({
    entities: ['a', 'b'],
    timeoutMs: 100,
    join: (fetched) => {
      order.push('join');
      joined.push(...fetched);
    },
    decode: () => {
      order.push('decode');
      return [column(1, 2)];
    },
  });
  await infer({ ...deps, acquire }, asked);
  assert.deepEqual(order, ['fetch a,b', 'join', 'decode']);
  assert.deepEqual(joined, rows);
  assert.equal(seen.at(-1)?.timeoutMs, 60);
  await assert.rejects(infer(deps, call({ entities: ['a'] })), { code: 'INVALID_INPUT' });
});

test('an answered and a failed request are each recorded once; the answer has the id of its record', async () => {
  const { deps } = setUp();
  const facts: { status: string; rows: number; caller: string; outputs: unknown }[] = [];
  const recorder = {
    record: (fact: (typeof facts)[number]) => {
      facts.push(fact);
      return facts.length === 1 ? 'one' : Promise.resolve('later');
    },
  };
  const caller = { id: 'user:ann', role: 'predict', models: undefined, limits: {} } as const;
  assert.equal((await infer({ ...deps, recorder }, call({ caller }))).predictionId, 'one');
  assert.equal((await infer({ ...deps, recorder }, call())).predictionId, 'later');
  const broken = call({
    decode: () => {
      throw new HotpathError('INVALID_INPUT', 'no');
    },
  });
  await assert.rejects(infer({ ...deps, recorder }, broken), { code: 'INVALID_INPUT' });
  assert.deepEqual(
    facts.map(({ status, rows, caller: by, outputs }) => [status, rows, by, outputs === undefined]),
    [
      ['OK', 2, 'user:ann', false],
      ['OK', 2, '', false],
      ['INVALID_INPUT', 0, '', true],
    ],
  );
  assert.equal((await infer(deps, call())).predictionId, undefined);
});
