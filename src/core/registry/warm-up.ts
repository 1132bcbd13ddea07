/**
 * Runs a freshly loaded model with 1, 2, 4 .. rows and times it: the first requests find everything allocated and the cost
 * model already knows the slope. Called once per load, before the model takes requests. A run that fails ends the sweep
 * with a note; only a crash on the very first one makes the load fail.
 */
import type { Clock } from '../../ports/clock.ts';
import type { EngineInstance } from '../../ports/engine.ts';
import { CostModel } from '../batching/cost-model.ts';
import { toHotpathError } from '../errors.ts';
import { allocate, elementBytes, elementCount, type Signature, type Tensor } from '../tensor.ts';
import { reasonOf } from './failures.ts';

export interface WarmUpOptions {
  readonly clock: Clock;
  readonly instances: readonly EngineInstance[];
  readonly signature: Signature;
  /** Shape of each input for one row, in signature order. */
  readonly trialShapes: readonly (readonly number[])[];
  /** Rows of each run, ascending; [1] for a model that does not batch. */
  readonly rows: readonly number[];
  /** The sweep ends with the first run longer than this, given the time of one row. */
  readonly limitMs: (oneRowMs: number) => number;
  /** @default 1000 */
  readonly budgetMs?: number;
}

export interface Sample {
  readonly rows: number;
  readonly ms: number;
}

export interface WarmUpResult {
  readonly samples: readonly Sample[];
  /** A run failed: batches larger than the last sample must not be formed. */
  readonly failed: boolean;
  readonly notes: readonly string[];
}

/** Input bytes of one run; a sweep shall not be what exhausts the memory. */
const maxRunBytes = 32 * 1024 * 1024;
/** A first run shorter than this is thrown away, for it pays for allocations; a longer one is too dear to repeat. */
const repeatBelowMs = 50;
const repeatForMs = 10;
const maxRepeats = 7;

/** 1, 2, 4 .. up to `max`. */
export function powersOfTwo(max: number): number[] {
  const rows: number[] = [];
  for (let n = 1; n <= max; n *= 2) rows.push(n);
  return rows;
}

export async function warmUp(options: WarmUpOptions): Promise<WarmUpResult> {
  const { clock, instances, rows, budgetMs = 1000 } = options;
  const startedMs = clock.now();
  const samples: Sample[] = [];
  for (const count of rows) {
    if (inputBytes(options, count) > maxRunBytes) break;
    try {
      samples.push({ rows: count, ms: await measure(options, instances[0]!, count) });
    } catch (error) {
      if (samples.length === 0 && toHotpathError(error).code === 'ENGINE_CRASHED') throw error;
      const note = `The warm-up run with ${count} row${count === 1 ? '' : 's'} failed: ${reasonOf(error)}`;
      return { samples, failed: true, notes: [note] };
    }
    const oneRowMs = samples[0]!.ms / samples[0]!.rows;
    if (samples.at(-1)!.ms > options.limitMs(oneRowMs) || clock.now() - startedMs > budgetMs) break;
  }
  if (samples.length > 0) await wakeOthers(options);
  return { samples, failed: false, notes: [] };
}

/** Seeds the cost model with the line through the ends of the sweep, then lets it learn every point. */
export function learnCost(samples: readonly Sample[], singleRunMs: number | undefined): CostModel {
  const first = samples[0];
  const last = samples.at(-1);
  if (first === undefined || last === undefined) {
    return singleRunMs === undefined ? new CostModel() : new CostModel({ perRowMs: 0, fixedMs: singleRunMs });
  }
  const spread = last.rows - first.rows;
  const perRowMs = spread > 0 ? Math.max(0, (last.ms - first.ms) / spread) : 0;
  const cost = new CostModel({ perRowMs, fixedMs: Math.max(0, first.ms - perRowMs * first.rows) });
  for (const { rows, ms } of samples) cost.observe(rows, ms);
  return cost;
}

/** Median of a few runs. Wall time and not the runtime's: an instance is busy until its answer is back. */
async function measure(options: WarmUpOptions, instance: EngineInstance, rows: number): Promise<number> {
  const first = await timeRun(options, instance, rows);
  if (first >= repeatBelowMs) return first;
  const times: number[] = [];
  let total = 0;
  while (times.length < maxRepeats && (times.length === 0 || total < repeatForMs)) {
    const ms = await timeRun(options, instance, rows);
    times.push(ms);
    total += ms;
  }
  return times.sort((a, b) => a - b)[times.length >> 1]!;
}

async function timeRun(options: WarmUpOptions, instance: EngineInstance, rows: number): Promise<number> {
  const inputs = trialInputs(options, rows);
  const startedMs = options.clock.now();
  await instance.run(inputs);
  return options.clock.now() - startedMs;
}

/** The other instances run once, at the same time, and need not succeed: the first has shown that the model runs. */
async function wakeOthers(options: WarmUpOptions): Promise<void> {
  const others = options.instances.slice(1);
  await Promise.allSettled(others.map((instance) => instance.run(trialInputs(options, options.rows[0]!))));
}

function trialInputs({ signature, trialShapes }: WarmUpOptions, rows: number): Tensor[] {
  return signature.inputs.map(({ datatype }, index) => {
    const shape = shapeFor(trialShapes[index] ?? [], rows);
    const data = allocate(datatype, elementCount(shape));
    if (data instanceof Float32Array || data instanceof Float64Array) fillPattern(data);
    return { datatype, shape, data };
  });
}

/** Not all zeros: a tree must not be timed on one leaf. Filled by doubling, for large inputs are copied faster than computed. */
function fillPattern(data: Float32Array | Float64Array): void {
  const start = Math.min(data.length, 17);
  for (let i = 0; i < start; i++) data[i] = i / 16;
  for (let filled = start; filled < data.length; filled *= 2) data.copyWithin(filled, 0, filled);
}

function inputBytes({ signature, trialShapes }: WarmUpOptions, rows: number): number {
  let bytes = 0;
  for (const [index, { datatype }] of signature.inputs.entries()) {
    bytes += elementCount(shapeFor(trialShapes[index] ?? [], rows)) * (elementBytes[datatype] || 16);
  }
  return bytes;
}

/** One row is the trial shape itself, also for models without a batch axis. */
function shapeFor(trialShape: readonly number[], rows: number): readonly number[] {
  return rows === 1 ? trialShape : [rows, ...trialShape.slice(1)];
}
