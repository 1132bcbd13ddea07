/**
 * A batcher on the real clock over a model that adds up its rows, so that a row that got into another answer is seen. For the tests
 * of `batcher.ts`: they say what becomes of each batch.
 */
import assert from 'node:assert/strict';
import type { EngineInstance, EngineRun } from '../../ports/engine.ts';
import { Batcher, type BatcherOptions } from '../batching/batcher.ts';
import { CostModel } from '../batching/cost-model.ts';
import { HotpathError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import type { CancelToken, ModelView } from '../types.ts';

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
export class SummingInstance implements EngineInstance {
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

/** A batcher over these instances, what it reports counted, and a way to give it rows. */
export function setUp(instances: SummingInstance[], options: Partial<BatcherOptions> = {}) {
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

/** The answer is that of these rows and of no others. */
export async function assertOwnAnswer(answer: ReturnType<ReturnType<typeof setUp>['submit']>, rows: number[][]) {
  const { outputs } = await answer;
  assert.deepEqual(outputs[0]!.shape, [rows.length, 1]);
  assert.deepEqual(
    Array.from(outputs[0]!.data as Float32Array),
    rows.map(([a, b, c]) => Math.fround(a! + b! + c!)),
  );
  assert.deepEqual(Array.from(outputs[1]!.data as Float32Array), rows.flat());
}

export const codeOf = (code: string) => (error: HotpathError) => error.code === code;
