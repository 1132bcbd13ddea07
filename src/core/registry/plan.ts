/**
 * How a model is to run where its model.json does not say: instances, threads, batching, largest batch, SLO.
 * Pure arithmetic on what the probe and the warm-up sweep measured; called once per load. Instances x threads never exceeds the cores.
 */
import type { ProbeReport } from '../../ports/engine.ts';
import type { ModelConfig } from '../../ports/model-source.ts';
import { formatShape } from '../tensor.ts';

export interface Plan {
  readonly instances: number;
  readonly intraOpThreads: number;
  readonly batching: { readonly enabled: true } | { readonly enabled: false; readonly reason: string };
  /** Bytes of all instances together. */
  readonly memoryBytes: number;
  readonly notes: readonly string[];
}

/** A run shorter than this is over before a second thread has woken up. */
const lightRunMs = 2;
/** Beyond 4 threads a run gains less than a second instance does. */
const maxUsefulThreads = 4;
/** A batch is large enough when the fixed cost is this share of its time. */
const fixedCostShare = 0.05;
const maxDerivedBatch = 256;
/** A batch may take this share of the SLO, or waiting for the running one would already break it. */
const batchShareOfSlo = 1 / 4;
/** Without any measurement, and the least where it says little: a share of a short time is lost in the noise of a busy machine. */
const unmeasuredBatch = 32;
const trustedMs = 5;

export function planModel(report: ProbeReport, config: ModelConfig, cores: number): Plan {
  const { instances, intraOpThreads, note } = planThreads(report.singleRunMs, config, Math.max(1, Math.floor(cores)));
  return {
    instances,
    intraOpThreads,
    batching: planBatching(report, config),
    // Every session holds its own copy of the weights.
    memoryBytes: Math.max(0, report.memoryBytes) * instances,
    notes: note === undefined ? report.notes : [...report.notes, note],
  };
}

function planThreads(singleRunMs: number | undefined, config: ModelConfig, cores: number) {
  const light = singleRunMs === undefined || singleRunMs < lightRunMs;
  const wantedInstances = config.instances ?? (light ? 1 : undefined);
  const wantedThreads = config.intraOpThreads ?? (light ? 1 : undefined);
  const instances =
    wantedInstances === undefined
      ? Math.max(1, Math.floor(cores / Math.min(wantedThreads ?? maxUsefulThreads, cores)))
      : Math.min(wantedInstances, cores);
  const share = Math.max(1, Math.floor(cores / instances));
  const intraOpThreads = Math.min(wantedThreads ?? maxUsefulThreads, share);
  const clamped = instances < (config.instances ?? 0) || intraOpThreads < (config.intraOpThreads ?? 0);
  if (!clamped) return { instances, intraOpThreads, note: undefined };
  const note = `Configured instances and intraOpThreads exceed the ${cores} cores granted; running ${instances} x ${intraOpThreads}.`;
  return { instances, intraOpThreads, note };
}

function planBatching(report: ProbeReport, config: ModelConfig): Plan['batching'] {
  if (config.batching === 'off') return { enabled: false, reason: 'Turned off by its configuration.' };
  const fixed = report.signature.inputs.find((input) => input.shape[0] !== -1);
  if (fixed !== undefined) {
    const shape = formatShape(fixed.shape);
    return {
      enabled: false,
      reason: `Input "${fixed.name}" has the shape ${shape}, whose first axis is not variable.`,
    };
  }
  if (config.batching === 'force' || report.batch.safe) return { enabled: true };
  return { enabled: false, reason: report.batch.reason };
}

/** @param oneRowMs predicted milliseconds of one row; undefined when nothing was measured */
export function deriveSloMs(config: ModelConfig, serverSloMs: number, oneRowMs: number | undefined): number {
  return config.sloMs ?? Math.max(serverSloMs, 10 * (oneRowMs ?? 0));
}

/** The milliseconds a single batch may take under this SLO. */
export function batchLimitMs(sloMs: number): number {
  return sloMs * batchShareOfSlo;
}

/** What of the cost model counts here. `undefined` when nothing was measured. */
export interface LearnedCost {
  readonly perRowMs: number;
  readonly fixedMs: number;
  estimateMs(rows: number): number;
}

/**
 * The smallest power of two where the fixed cost is at most 5 % of the batch: b / (a*B + b) <= 0.05. At least 1 (32 where that takes
 * 5 ms at most), at most 256, and small enough that est(B) <= SLO / 4.
 */
export function deriveMaxBatchSize(config: ModelConfig, cost: LearnedCost | undefined, sloMs: number): number {
  if (config.maxBatchSize !== undefined) return config.maxBatchSize;
  if (cost === undefined) return unmeasuredBatch;
  const least = cost.estimateMs(unmeasuredBatch) <= trustedMs ? unmeasuredBatch : 1;
  let best = 1;
  while (best < maxDerivedBatch) {
    const saves = cost.fixedMs > fixedCostShare * (cost.perRowMs * best + cost.fixedMs);
    if (!saves && best >= least) break;
    if (cost.estimateMs(best * 2) > batchLimitMs(sloMs)) break;
    best *= 2;
  }
  return best;
}
