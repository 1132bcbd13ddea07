/**
 * Composes `optimize`: the optimizer with processes that run models, the probe that tries them, and what is known of this machine. Called
 * by cli/optimize.ts and by whoever runs it as a task. It starts no server.
 */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { memoryLimitBytes } from './config/memory-limit.ts';
import { packageVersion } from './config/version.ts';
import { seededRandom } from './core/seeded-random.ts';
import { ProcessModelRunner } from './engines/onnx/model-runner.ts';
import { probeModel } from './engines/onnx/probe.ts';
import type { Optimized, OptimizeOptions } from './optimizer/plan/optimize.ts';
import { optimizeModel } from './optimizer/plan/optimize.ts';
import type { PassLoader } from './optimizer/plan/pass-table.ts';
import type { ModelTrial, OptimizeTools } from './optimizer/plan/tools.ts';
import { machineFacts } from './server-machine.ts';

export interface OptimizeHooks {
  /** 0 to 1, and what is being done. */
  readonly onProgress: (share: number, what: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** How many times as long as usual a run may take before it counts as hanging: more where it has to wait for others. @default 1 */
  readonly patience?: number;
  /** Other passes than the built-in ones; for tests. */
  readonly findPass?: PassLoader;
}

/** For all that the probe does with a model. */
const probeMs = 60_000;
/** For opening a model, and for each run. */
const runMs = 120_000;
/** One model's process may take so much of the memory there is. */
const memoryShare = 0.8;

/** @throws INVALID_INPUT, MODEL_FAILED: the model or the data cannot be used; the reason of `signal` */
export async function runOptimize(options: OptimizeOptions, hooks: OptimizeHooks): Promise<Optimized> {
  const memoryBytes = memoryShare * memoryLimitBytes();
  const { patience = 1, ...rest } = hooks;
  const runner = new ProcessModelRunner({ memoryBytes, timeoutMs: runMs * patience });
  const tools: OptimizeTools = {
    ...rest,
    runner,
    tryModel: (path) => tryModel(path, probeMs * patience),
    random: (purpose) => seededRandom(createHash('sha256').update(purpose).digest().readInt32LE()),
    machine: machineFacts(),
    version: packageVersion(),
    memoryBytes,
  };
  try {
    return await optimizeModel({ ...options, modelPath: resolve(options.modelPath) }, tools);
  } finally {
    await runner.close();
  }
}

async function tryModel(path: string, timeoutMs: number): Promise<ModelTrial> {
  const silent = () => {};
  const logger = { debug: silent, info: silent, warn: silent, error: silent };
  const spec = { name: 'model', version: '1', path, digest: '', instances: 1, runTimeoutMs: timeoutMs };
  const provider = { executionProviders: ['cpu'] as const, fallbackToCpu: false, intraOpThreads: 1 };
  const { signature, trialShapes, singleRunMs, batch } = await probeModel({ ...spec, ...provider }, timeoutMs, logger);
  const named = trialShapes && signature.inputs.map(({ name }, index) => [name, trialShapes[index]!] as const);
  return { shapes: named && Object.fromEntries(named), singleRunMs, batch };
}
