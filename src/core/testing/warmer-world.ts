/** A cache warmer on a fake clock over inputs that are numbers; tests give the model. For the tests of `cache-warmer.ts`. */
import assert from 'node:assert/strict';
import type { CacheOutcome } from '../../ports/cache-store.ts';
import { CacheWarmer, type CacheWarmerOptions, type WarmItem, type WarmResult } from '../cache-warming/cache-warmer.ts';
import { type ErrorCode, HotpathError } from '../errors.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import type { Tensor } from '../tensor.ts';
import type { InferResponse, ModelView } from '../types.ts';

export const view: ModelView = {
  name: 'iris',
  version: '1',
  signature: { inputs: [], outputs: [], skippedOutputs: [] },
  batchable: true,
  labels: undefined,
  nan: 'reject',
};

export function answer(cache: CacheOutcome | undefined): InferResponse {
  const timing = { decodeMs: 0, queueMs: 0, batchMs: 0, inferMs: 0, batchRows: 1, release: 'idle' } as const;
  return { model: view, outputs: [], timing, cache };
}

export const refusal = (code: ErrorCode, retryAfterSeconds?: number) =>
  new HotpathError(code, `The server says ${code}.`, retryAfterSeconds === undefined ? {} : { retryAfterSeconds });

/** Inputs whose only tensor is their number. */
export function numbered(count: number): WarmItem[] {
  return Array.from({ length: count }, (_, index) => ({
    name: `line ${index + 1}`,
    makeCall: () => {
      const tensor: Tensor = { datatype: 'float32', shape: [1], data: Float32Array.of(index) };
      let decoded = false;
      return {
        model: 'iris',
        priority: 0,
        timeoutMs: 1,
        decode: () => {
          assert.equal(decoded, false, 'decoded twice');
          decoded = true;
          return [tensor];
        },
      };
    },
  }));
}

export function setUp(options: Partial<CacheWarmerOptions> & Pick<CacheWarmerOptions, 'items' | 'infer'>) {
  const clock = new SimulatedClock();
  const warmer = new CacheWarmer({ total: undefined, clock, ...options });
  return { clock, warmer };
}

/** Moves time on until the warm-up has ended. */
export async function finish(running: Promise<WarmResult>, clock: SimulatedClock, stepMs = 10): Promise<WarmResult> {
  let settled = false;
  const settle = () => {
    settled = true;
  };
  running.then(settle, settle);
  for (let step = 1; !settled && step < 50_000; step++) {
    await turn();
    clock.advance(step % 4 === 0 ? stepMs : 0);
  }
  assert.ok(settled, 'it did not end');
  return running;
}

/** Everything that is ready to go on has gone on. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));
