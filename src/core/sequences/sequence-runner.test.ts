import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { EngineInstance } from '../../ports/engine.ts';
import type { DeclaredSequence, TritonModelConfig } from '../../ports/triton-config.ts';
import { CostModel } from '../batching/cost-model.ts';
import { present } from '../declared/presentation.ts';
import { HotpathError } from '../errors.ts';
import { createRunner, type Runner } from '../runner.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import type { Signature, Tensor } from '../tensor.ts';
import { settle } from '../testing/registry-world.ts';
import type { ModelView, SequenceStep } from '../types.ts';
import { planSequences } from './sequence-plan.ts';

/** Adds up: sum' = sum + x, and answers with the sum, the flags and the id it got. */
const signature: Signature = {
  inputs: [
    { name: 'start', datatype: 'float32', shape: [-1, 1] },
    { name: 'sum', datatype: 'float32', shape: [-1, 1] },
    { name: 'x', datatype: 'float32', shape: [-1, 1] },
    { name: 'end', datatype: 'bool', shape: [-1, 1] },
    { name: 'ready', datatype: 'int32', shape: [-1, 1] },
    { name: 'id', datatype: 'uint64', shape: [-1, 1] },
  ],
  outputs: [
    { name: 'next', datatype: 'float32', shape: [-1, 1] },
    { name: 'total', datatype: 'float32', shape: [-1, 1] },
    { name: 'seen', datatype: 'string', shape: [-1, 1] },
  ],
  skippedOutputs: [],
};

const sequence: DeclaredSequence = {
  strategy: 'oldest',
  maxIdleMicroseconds: 1_000_000,
  maxDelayMicroseconds: 0,
  controls: [
    { input: 'start', kind: 'start', datatype: 'float32', falseTrue: [0, 1] },
    { input: 'end', kind: 'end', datatype: 'bool', falseTrue: [0, 1] },
    { input: 'ready', kind: 'ready', datatype: 'int32', falseTrue: [3, 7] },
    { input: 'id', kind: 'correlation-id', datatype: 'uint64' },
  ],
  states: [{ input: 'sum', output: 'next', datatype: 'float32', dims: [1], initialFile: 'hundred' }],
};

const triton: TritonModelConfig = {
  name: 'adder',
  kind: 'onnx',
  maxBatchSize: 4,
  inputs: [],
  outputs: [],
  modelFile: 'model.onnx',
  sequence,
  warmup: [],
  responseCache: false,
  decoupled: false,
  parameters: {},
  written: {},
};

const silent = {
  request() {},
  stages() {},
  batch() {},
  shed() {},
  expired() {},
  cancelled() {},
  workerRestarted() {},
  cacheRows() {},
  cacheTier() {},
};

function setUp({ instances = 1, batchable = true, maxQueueBytes = 1e6 } = {}) {
  const clock = new SimulatedClock();
  const batches: number[] = [];
  const trouble: { code?: 'ENGINE_FAILED' } = {};
  const files = new Map([['hundred', new Uint8Array(Float32Array.of(100).buffer)]]);
  const presentation = present(triton, signature);
  const view: ModelView = { name: 'adder', version: '1', signature, batchable, labels: undefined, nan: 'allow' };
  const makeInstance = (id: number): EngineInstance => ({
    id,
    available: true,
    onAvailable: undefined,
    run: async (inputs) => {
      const rows = inputs[0]!.shape[0]!;
      batches.push(rows);
      await new Promise<void>((resolve) => clock.after(1, resolve));
      if (trouble.code !== undefined) throw new HotpathError(trouble.code, 'no');
      const at = (index: number, row: number) => inputs[index]!.data[row];
      const total = Float32Array.from({ length: rows }, (_, row) => Number(at(1, row)) + Number(at(2, row)));
      const seen = Array.from({ length: rows }, (_, row) => [0, 3, 4, 5].map((index) => at(index, row)).join(' '));
      const outputs: Tensor[] = [
        { datatype: 'float32', shape: [rows, 1], data: total },
        { datatype: 'float32', shape: [rows, 1], data: total.slice() },
        { datatype: 'string', shape: [rows, 1], data: seen },
      ];
      return { outputs, inferMs: 1 };
    },
  });
  const runner: Runner = createRunner({
    model: view,
    instances: Array.from({ length: instances }, (_, id) => makeInstance(id)),
    clock,
    random: () => 0.5,
    telemetry: silent,
    cost: new CostModel({ perRowMs: 0.1, fixedMs: 1 }),
    batchable,
    maxBatchSize: batchable ? 4 : 1,
    maxDelayMs: undefined,
    sloMs: 1e6,
    maxQueueRows: 1000,
    maxQueueBytes,
    presentation,
    sequences: planSequences(sequence, signature, 4, files),
  });
  const submit = async (x: number, step: SequenceStep | undefined, rows = 1) => {
    const data = new Float32Array(rows).fill(x);
    const options = {
      priority: 0,
      arrivalMs: clock.now(),
      timeoutMs: undefined,
      solo: false,
      cancel: undefined,
    } as const;
    const { outputs } = await runner.submit([{ datatype: 'float32', shape: [rows, 1], data }], {
      ...options,
      sequence: step,
    });
    return outputs.map((output) => output.data[0]);
  };
  const run = async (ms = 3) => {
    for (let turn = 0; turn < ms; turn++) {
      await settle();
      clock.advance(1);
    }
    await settle();
  };
  return { runner, presentation, batches, trouble, submit, run };
}

describe('a stateful model', () => {
  it('shows clients neither controls nor states', () => {
    const { presentation } = setUp();
    assert.deepEqual(
      [presentation.signature.inputs, presentation.signature.outputs].map((specs) => specs.map(({ name }) => name)),
      [['x'], ['total', 'seen']],
    );
  });

  it('gets the flags in their own datatypes and values, the id, and the state that the request before left', async () => {
    const { submit, run } = setUp();
    const answers = [
      submit(1, { id: 7, start: true, end: false }),
      submit(2, { id: 7n, start: false, end: false }),
      submit(4, { id: 7, start: false, end: true }),
    ];
    await run(12);
    assert.deepEqual(await Promise.all(answers), [
      [101, '1 0 7 7'],
      [103, '0 0 7 7'],
      [107, '0 1 7 7'],
    ]);
  });

  it('joins requests of different sequences and never those of one', async () => {
    const { submit, run, batches } = setUp();
    const answers = [1, 2, 3, 4].flatMap((id) => [
      submit(id, { id, start: true, end: false }),
      submit(10 * id, { id, start: false, end: false }),
    ]);
    await run(12);
    assert.deepEqual(batches, [4, 4]);
    const totals = (await Promise.all(answers)).map(([total]) => total);
    assert.deepEqual(totals, [101, 111, 102, 122, 103, 133, 104, 144]);
  });

  it('runs alone what must not be joined, and keeps its states all the same', async () => {
    const { submit, run, batches } = setUp({ batchable: false });
    const answers = [1, 2].flatMap((id) => [
      submit(id, { id, start: true, end: false }),
      submit(10 * id, { id, start: false, end: false }),
    ]);
    await run(12);
    assert.deepEqual(batches, [1, 1, 1, 1]);
    assert.deepEqual(
      (await Promise.all(answers)).map(([total]) => total),
      [101, 111, 102, 122],
    );
  });

  it('keeps the state of a request that failed', async () => {
    const { submit, run, trouble } = setUp();
    const begun = submit(1, { id: 1, start: true, end: false });
    await run();
    trouble.code = 'ENGINE_FAILED';
    const failed = assert.rejects(submit(50, { id: 1, start: false, end: false }), { code: 'ENGINE_FAILED' });
    await run();
    delete trouble.code;
    const next = submit(2, { id: 1, start: false, end: false });
    await run();
    await failed;
    assert.deepEqual([(await begun)[0], (await next)[0]], [101, 103]);
  });

  it('refuses what has no id, more rows than one, or an id its datatype cannot hold', async () => {
    const { submit } = setUp();
    const start = { start: true, end: false };
    for (const none of [undefined, { id: 0, ...start }, { id: 0n, ...start }, { id: '', ...start }]) {
      await assert.rejects(submit(1, none), { code: 'INVALID_INPUT', message: /must specify a non-zero or non-empty/ });
    }
    await assert.rejects(submit(1, { id: 1, ...start }, 2), { code: 'INVALID_INPUT', message: /batch-size 1/ });
    await assert.rejects(submit(1, { id: 'text', ...start }), {
      message: /must be a number for this model, not "text"/,
    });
    await assert.rejects(submit(1, { id: 'x'.repeat(129), ...start }), { message: /at most 128 characters, not 129/ });
    await assert.rejects(submit(1, { id: 2n ** 64n, ...start }), { message: /must be a number that fits uint64/ });
  });

  it('refuses new sequences when their states would take too much memory', async () => {
    const { submit, run } = setUp({ maxQueueBytes: 50 });
    const begin = async (id: number) => {
      const begun = submit(id, { id, start: true, end: false });
      await run();
      return begun;
    };
    // 4 bytes each.
    for (let id = 1; id <= 12; id++) assert.equal((await begin(id))[0], 100 + id);
    await assert.rejects(submit(1, { id: 13, start: true, end: false }), {
      code: 'OVERLOADED',
      message: /is kept for/,
    });
    const next = submit(1, { id: 1, start: false, end: true });
    await run();
    assert.equal((await next)[0], 102);
    assert.equal((await begin(13))[0], 113);
  });

  it('answers what it accepted before it closes, and nothing afterwards', async () => {
    const { runner, submit, run } = setUp();
    const answers = [submit(1, { id: 1, start: true, end: false }), submit(2, { id: 1, start: false, end: false })];
    let closed = false;
    const closing = runner.close().then(() => {
      closed = true;
    });
    await assert.rejects(submit(3, { id: 1, start: false, end: false }), { code: 'SHUTTING_DOWN' });
    assert.equal(closed, false);
    await run(12);
    await closing;
    assert.deepEqual(
      (await Promise.all(answers)).map(([total]) => total),
      [101, 103],
    );
  });

  it('answers every mixture of sequences as each would have been answered alone', async () => {
    const request = fc.record({
      id: fc.integer({ min: 1, max: 5 }),
      x: fc.integer({ min: -9, max: 9 }),
      pause: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(request, { maxLength: 40 }),
        fc.integer({ min: 1, max: 3 }),
        async (requests, instances) => {
          const { submit, run } = setUp({ instances });
          const sums = new Map<number, number>();
          const answers: Promise<unknown>[] = [];
          const expected: number[] = [];
          for (const { id, x, pause } of requests) {
            const start = !sums.has(id);
            sums.set(id, (sums.get(id) ?? 100) + x);
            expected.push(sums.get(id)!);
            answers.push(submit(x, { id, start, end: false }).then(([total]) => total));
            await run(pause);
          }
          await run(3 * requests.length + 3);
          assert.deepEqual(await Promise.all(answers), expected);
        },
      ),
      { numRuns: 40 },
    );
  });
});
