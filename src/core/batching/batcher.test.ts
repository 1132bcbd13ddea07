import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import type { EngineRun, RunLimits } from '../../ports/engine.ts';
import { HotpathError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { assertOwnAnswer, codeOf, SummingInstance, setUp } from '../testing/batcher-world.ts';
import { CancelToken } from '../types.ts';
import { CostModel } from './cost-model.ts';

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
  const asked = submit([
    [1, 0, 0],
    [2, 0, 0],
  ]);
  await assert.rejects(asked, { code: 'ENGINE_FAILED', message: /another number of rows/ });
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
