import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HotpathError } from '../errors.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import type { Tensor } from '../tensor.ts';
import { settle } from '../testing/registry-world.ts';
import { CancelToken, type InferCall, type InferResponse, type ModelView } from '../types.ts';
import { planPipeline } from './pipeline-plan.ts';
import { PipelineRunner } from './pipeline-runner.ts';

const column = (value: number): Tensor => ({ datatype: 'float32', shape: [1, 1], data: Float32Array.of(value) });

function view(name: string, inputs: string[], width = -1): ModelView {
  const spec = (tensor: string, dim: number) => ({ name: tensor, datatype: 'float32', shape: [-1, dim] }) as const;
  const signature = {
    inputs: inputs.map((input) => spec(input, width)),
    outputs: [spec('y', -1)],
    skippedOutputs: [],
  };
  return { name, version: '1', signature, batchable: true, labels: undefined, nan: 'reject' };
}

interface Behaviour {
  readonly ms?: number;
  readonly code?: 'OVERLOADED' | 'ENGINE_FAILED';
  readonly answer?: Tensor;
}

/** left and right both take IN, sum adds their answers up: each model adds its inputs and 1. */
function setUp(behaviour: Record<string, Behaviour> = {}, sloMs?: number) {
  const clock = new SimulatedClock();
  const views = [view('sum', ['a', 'b'], 1), view('left', ['x']), view('right', ['x'])];
  const steps = [
    { model: 'sum', inputs: { a: 'l', b: 'r' }, outputs: { y: 'OUT' } },
    { model: 'left', version: '2', inputs: { x: 'IN' }, outputs: { y: 'l' } },
    { model: 'right', inputs: { x: 'IN' }, outputs: { y: 'r' } },
  ];
  const calls: InferCall[] = [];
  const log: string[] = [];
  const infer = async (call: InferCall): Promise<InferResponse> => {
    calls.push(call);
    const { ms = 1, code, answer } = behaviour[call.model!] ?? {};
    const model = views.find(({ name }) => name === call.model)!;
    const inputs = call.decode(model);
    log.push(`${clock.now()} ${call.model} begins`);
    await new Promise<void>((resolve, reject) => {
      clock.after(ms, resolve);
      call.cancel!.onCancel = () => reject(new HotpathError('CANCELLED', 'The client left.'));
    });
    if (code !== undefined) throw new HotpathError(code, 'it cannot.', { retryAfterSeconds: 3 });
    const total = inputs.reduce((sum, { data }) => sum + Number(data[0]), 1);
    const timing = {
      decodeMs: 0,
      queueMs: 0.25 * ms,
      batchMs: 0,
      inferMs: 0.75 * ms,
      batchRows: 4,
      release: 'full',
    } as const;
    return { model, outputs: [{ name: 'y', ...(answer ?? column(total)) }], timing };
  };
  const plan = planPipeline({ steps }, views);
  const runner = new PipelineRunner({ model: view('all', ['IN']), plan, clock, sloMs, infer });
  const submit = (options: Partial<Parameters<typeof runner.submit>[1]> = {}) =>
    runner.submit([column(10)], {
      priority: 0,
      arrivalMs: clock.now(),
      timeoutMs: undefined,
      solo: false,
      cancel: undefined,
      ...options,
    });
  const pass = async (ms: number) => {
    for (let turn = 0; turn < ms; turn++) {
      await settle();
      clock.advance(1);
    }
    await settle();
  };
  return { clock, runner, calls, log, submit, pass };
}

describe('a pipeline’s request', () => {
  it('runs independent steps at the same time and the others when their tensors are there', async () => {
    const { log, submit, pass } = setUp({ left: { ms: 4 }, right: { ms: 2 }, sum: { ms: 8 } });
    const answer = submit();
    await pass(12);
    const { outputs, queueMs, inferMs, batchRows } = await answer;
    assert.deepEqual(log, ['0 left begins', '0 right begins', '4 sum begins']);
    assert.deepEqual(
      outputs.map(({ data }) => [...data]),
      [[23]],
    );
    // The longest way: left, then sum.
    assert.deepEqual([queueMs, inferMs, batchRows], [3, 9, 4]);
  });

  it('passes version, priority, solo and sequence on, and each step the time that is left', async () => {
    const { calls, submit, pass } = setUp({ left: { ms: 30 } });
    const sequence = { id: 5, start: true, end: false };
    const answer = submit({ priority: 2, solo: true, sequence, timeoutMs: 80 });
    await pass(40);
    await answer;
    assert.deepEqual(
      calls.map(({ model, version, priority, batching, timeoutMs }) => [model, version, priority, batching, timeoutMs]),
      [
        ['left', '2', 2, 'off', 80],
        ['right', undefined, 2, 'off', 80],
        ['sum', undefined, 2, 'off', 50],
      ],
    );
    assert.ok(calls.every((call) => call.sequence === sequence));
  });

  it('leaves the deadlines to the models of the steps, unless the request or the pipeline has one', async () => {
    for (const [sloMs, expected] of [
      [undefined, [undefined, undefined, undefined]],
      [50, [50, 50, 46]],
    ] as const) {
      const { calls, submit, pass } = setUp({ left: { ms: 4 } }, sloMs);
      const answer = submit();
      await pass(8);
      await answer;
      assert.deepEqual(
        calls.map(({ timeoutMs }) => timeoutMs),
        expected,
      );
    }
  });

  it('fails with the first error, which names the step, and cancels the other steps', async () => {
    const { log, calls, submit, pass } = setUp({ left: { ms: 2, code: 'OVERLOADED' }, right: { ms: 50 } });
    const failed = assert.rejects(submit(), (error: HotpathError) => {
      assert.deepEqual([error.code, error.message], ['OVERLOADED', 'Step "left" of "all": it cannot.']);
      assert.equal(error.details?.retryAfterSeconds, 3);
      return true;
    });
    await pass(3);
    await failed;
    assert.equal(calls[1]!.cancel!.cancelled, true);
    assert.equal(log.length, 2);
  });

  it('is cancelled in all its steps, and refused when its deadline passes between two', async () => {
    const cancel = new CancelToken();
    const { calls, submit, pass } = setUp({ left: { ms: 20 }, right: { ms: 20 } });
    const left = assert.rejects(submit({ cancel }), { code: 'CANCELLED' });
    await pass(1);
    cancel.cancel();
    await left;
    assert.deepEqual(
      calls.map((call) => call.cancel!.cancelled),
      [true, true],
    );
    const late = assert.rejects(submit({ timeoutMs: 15 }), {
      code: 'DEADLINE_EXCEEDED',
      message: /^Step "sum" of "all"/,
    });
    await pass(25);
    await late;
  });

  it('never hands a tensor on to a model that does not take its shape or datatype', async () => {
    const wide: Tensor = { datatype: 'float32', shape: [1, 2], data: new Float32Array(2) };
    for (const [answer, received] of [
      [wide, 'float32 [1, 2]'],
      [{ datatype: 'int32', shape: [1, 1], data: new Int32Array(1) } satisfies Tensor, 'int32 [1, 1]'],
    ] as const) {
      const { submit, pass } = setUp({ right: { answer } });
      const refused = assert.rejects(submit(), {
        code: 'INVALID_INPUT',
        message: `Step "sum" of "all": the input "b" must be float32 [?, 1]; the tensor "r" is ${received}.`,
      });
      await pass(5);
      await refused;
    }
  });

  it('is answered before the pipeline closes; later ones are refused', async () => {
    const { runner, submit, pass } = setUp({ left: { ms: 3 } });
    const answer = submit();
    assert.equal(runner.status().inFlightRequests, 1);
    let closed = false;
    const closing = runner.close().then(() => {
      closed = true;
    });
    await assert.rejects(submit(), { code: 'SHUTTING_DOWN' });
    assert.equal(closed, false);
    await pass(6);
    await closing;
    assert.equal((await answer).outputs.length, 1);
  });
});
