/**
 * Composes `tune`: finds the model as a server would, says what may be tried on this machine, lets the search measure it in processes of
 * their own, and keeps the outcome in the model's tuning.json. Called by cli/tune.ts. It starts no server.
 */
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { availableParallelism, loadavg } from 'node:os';
import { join, resolve } from 'node:path';
import { FilesystemModelSource } from './adapters/filesystem/model-source.ts';
import { systemClock } from './adapters/system-clock.ts';
import { parseModelConfig } from './config/model-config.ts';
import type { Config } from './config/schema.ts';
import { HotpathError, invalidInput } from './core/errors.ts';
import { probeSpec } from './core/registry/engine-spec.ts';
import { deriveMaxBatchSize, deriveSloMs, type Plan, planModel } from './core/registry/plan.ts';
import { resolveVersion, serveVersions } from './core/registry/version-policy.ts';
import { learnCost, powersOfTwo } from './core/registry/warm-up.ts';
import { seededRandom } from './core/seeded-random.ts';
import { elementBytes, elementCount } from './core/tensor.ts';
import { missingProvider } from './engines/onnx/execution-providers.ts';
import { createOnnxEngine } from './engines/onnx/onnx-engine.ts';
import { maxArrivals, readTraffic } from './optimizer/tune/read-traffic.ts';
import type { TuneResult } from './optimizer/tune/result.ts';
import { buildSpace, type Point } from './optimizer/tune/space.ts';
import type { TuneTools } from './optimizer/tune/tools.ts';
import { syntheticTraffic, type Traffic } from './optimizer/tune/traffic.ts';
import { type TuneOptions, tune } from './optimizer/tune/tune.ts';
import type { EngineSpec, ExecutionProvider, ProbeReport } from './ports/engine.ts';
import type { ModelConfig, ModelEntry, ModelFile } from './ports/model-source.ts';
import type { GraphOptimizationLevel, TuningKey } from './ports/tuning.ts';
import { registryOptions } from './server-budget.ts';
import { tunedMachine } from './server-machine.ts';
import { lazyTriton } from './server-triton.ts';
import { openSetting } from './server-tune-process.ts';
import { type Kept, keepTuning } from './server-tuning-file.ts';

export interface TuneRequest {
  /** The server's settings: where models lie, how many cores a process has, the SLO of models without one. */
  readonly config: Config;
  readonly model: string;
  /** A version or a label. @default the newest served */
  readonly version?: string | undefined;
  readonly sloMs?: number | undefined;
  readonly ratePerSecond?: number | undefined;
  /** A file of recorded arrivals. */
  readonly trafficPath?: string | undefined;
  /** Beside the processor. @default those whose libraries are installed, without WebGPU */
  readonly providers?: readonly ExecutionProvider[] | undefined;
  readonly budgetMs: number;
  readonly dryRun: boolean;
}

export interface TuneHooks {
  readonly onProgress: TuneTools['onProgress'];
  readonly signal?: AbortSignal | undefined;
}

export interface Tuned {
  readonly model: string;
  readonly version: string;
  readonly key: TuningKey;
  readonly traffic: string;
  readonly result: TuneResult;
  /** The SLO of a server that starts now. */
  readonly servedSloMs: number;
  /** What else the figures hang on. */
  readonly notes: readonly string[];
  readonly kept: Kept;
}

const syntheticSeed = 7;
const largestBatch = 1024;
/** Input bytes of one run, as in the sweep of a load. */
const maxRunBytes = 32 * 2 ** 20;
/** Of the cores, by what else runs. */
const busyShare = 1 / 2;
const ignore = () => {};
const silent = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** @throws MODEL_NOT_FOUND, MODEL_FAILED, UNSUPPORTED, INVALID_INPUT: saying what cannot be tuned; the reason of `signal` */
export async function runTune(request: TuneRequest, hooks: TuneHooks): Promise<Tuned> {
  const { config, model } = request;
  const root = resolve(config.models);
  const parsers = { parseConfig: parseModelConfig, triton: lazyTriton(silent) };
  const source = new FilesystemModelSource({ root, ...parsers, clock: systemClock });
  const { entry, file } = await findVersion(source, model, request.version);
  if (!request.dryRun) await refuseReadOnly(join(root, model));
  const limits = registryOptions(config);
  const traffic = await openTraffic(request.trafficPath);
  const notes = noteBusy(loadavg()[0] ?? 0, availableParallelism());
  const key = { modelDigest: await source.digest(file), ...tunedMachine(limits.cores) };
  const spec = probeSpec({ name: model, file, config: entry.config }, key.modelDigest, limits.runTimeoutMs);
  const report = await probe(spec, config);
  const plan = planModel(report, entry.config, limits.cores);
  let servedSloMs = limits.sloMs;
  const derive: TuneTools['derive'] = (warm) => {
    const cost = learnCost(warm, report.singleRunMs);
    servedSloMs = deriveSloMs(entry.config, limits.sloMs, cost.estimateMs(1));
    const sizing = warm.length > 1 ? cost : undefined;
    const maxBatchSize = plan.batching.enabled ? deriveMaxBatchSize(entry.config, sizing, servedSloMs) : 1;
    return { maxBatchSize, sloMs: servedSloMs };
  };
  const options = optionsOf(request, entry.config, report, plan, traffic);
  const result = await tune(options, {
    ...hooks,
    derive,
    nowMs: () => systemClock.now(),
    open: (point) =>
      openSetting(
        {
          spec: settle(spec, point, plan.batching.enabled),
          signature: report.signature,
          trialShapes: report.trialShapes!,
          batchable: plan.batching.enabled,
          config: entry.config,
          serverSloMs: limits.sloMs,
          loadTimeoutMs: limits.loadTimeoutMs,
        },
        hooks.signal,
      ),
  });
  hooks.signal?.throwIfAborted();
  const found = { model, version: file.version, key, traffic: traffic.title, result, servedSloMs, notes };
  return { ...found, kept: await keepTuning(root, found, request.dryRun) };
}

async function findVersion(
  source: FilesystemModelSource,
  model: string,
  version: string | undefined,
): Promise<{ readonly entry: ModelEntry; readonly file: ModelFile }> {
  const entry = await source.find(model);
  if (entry === undefined) throw await noModel(source, model);
  if (entry.configError !== undefined) throw new HotpathError('MODEL_FAILED', entry.configError);
  const { pipeline, engine } = entry.config;
  if (pipeline !== undefined) throw unsupported(model, 'is a pipeline: tune the models of its steps');
  if (engine === 'remote') throw unsupported(model, 'runs on other servers');
  const file = resolveVersion(entry, serveVersions(entry), version);
  if (file.problem !== undefined) throw new HotpathError('MODEL_FAILED', file.problem);
  return { entry, file };
}

/** Before anything is measured, and not after. */
async function refuseReadOnly(folder: string): Promise<void> {
  try {
    await access(folder, constants.W_OK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    throw new HotpathError(
      'UNSUPPORTED',
      `The model's folder cannot be written to (${code}), so tuning.json cannot be kept there. --dry-run measures all the same.`,
    );
  }
}

async function noModel(source: FilesystemModelSource, model: string): Promise<HotpathError> {
  const names = (await source.list()).map(({ name }) => name);
  const known = names.length === 0 ? 'which holds no model' : `which holds ${names.slice(0, 20).join(', ')}`;
  return new HotpathError('MODEL_NOT_FOUND', `There is no model "${model}" in the models folder, ${known}.`);
}

function unsupported(model: string, why: string): HotpathError {
  return new HotpathError('UNSUPPORTED', `Model "${model}" ${why}.`);
}

async function probe(spec: EngineSpec, { cacheDir, loadTimeoutMs }: Config): Promise<ProbeReport> {
  const engine = createOnnxEngine({
    logger: silent,
    cacheDir: cacheDir === '' ? '' : resolve(cacheDir),
    probeTimeoutMs: loadTimeoutMs,
  });
  try {
    const report = await engine.probe(spec);
    if (report.trialShapes !== undefined) return report;
    throw new HotpathError('MODEL_FAILED', `The model cannot be measured: ${report.notes[0] ?? 'no trial input ran.'}`);
  } finally {
    await engine.close();
  }
}

function settle(spec: EngineSpec, point: Point, batched: boolean): EngineSpec {
  const { instances, intraOpThreads, graphOptimizationLevel, executionProvider } = point;
  return {
    ...spec,
    instances,
    intraOpThreads,
    executionProviders: [executionProvider],
    fallbackToCpu: false,
    sessionOptions: { graphOptimizationLevel, ...spec.sessionOptions },
    batched,
  };
}

function optionsOf(
  request: TuneRequest,
  config: ModelConfig,
  report: ProbeReport,
  plan: Plan,
  traffic: Traffic,
): TuneOptions {
  const { sessionOptions = {}, maxBatchSize } = config;
  const { cores, memoryBudget } = registryOptions(request.config);
  const level = sessionOptions.graphOptimizationLevel as GraphOptimizationLevel | undefined;
  const start: Point = {
    instances: plan.instances,
    intraOpThreads: plan.intraOpThreads,
    graphOptimizationLevel: level ?? 'all',
    executionProvider: report.executionProvider as ExecutionProvider,
  };
  // Threads that sessionOptions names win over intraOpThreads, so that there is nothing to try.
  const threads = config.intraOpThreads ?? (sessionOptions.intraOpNumThreads as number | undefined);
  const fixed = { instances: config.instances, intraOpThreads: threads, level };
  const fitting = memoryBudget > 0 && report.memoryBytes > 0 ? Math.floor(memoryBudget / report.memoryBytes) : Infinity;
  const fixedBatch = plan.batching.enabled ? maxBatchSize : 1;
  return {
    space: buildSpace(cores, start, fixed, providersOf(request, config, start), fitting),
    start,
    batches: { sizes: batchSizes(report, fixedBatch), fixed: fixedBatch },
    traffic,
    ratePerSecond: request.ratePerSecond,
    sloMs: request.sloMs,
    budgetMs: request.budgetMs,
  };
}

/** The processor always, for it is what all others must beat. */
function providersOf({ providers }: TuneRequest, config: ModelConfig, start: Point): ExecutionProvider[] {
  if (config.executionProviders !== undefined) return [start.executionProvider];
  for (const provider of providers ?? []) {
    const missing = missingProvider(provider);
    if (missing !== undefined) throw invalidInput('providers', `${missing}.`);
  }
  const present = (['cuda', 'tensorrt'] as const).filter((provider) => missingProvider(provider) === undefined);
  return [...new Set<ExecutionProvider>(['cpu', ...(providers ?? present)])];
}

function batchSizes({ trialShapes = [], signature }: ProbeReport, fixed: number | undefined): number[] {
  let rowBytes = 0;
  for (const [index, { datatype }] of signature.inputs.entries()) {
    rowBytes += elementCount(trialShapes[index] ?? []) * (elementBytes[datatype] || 16);
  }
  const most = Math.max(1, Math.min(fixed ?? largestBatch, Math.floor(maxRunBytes / Math.max(1, rowBytes))));
  const sizes = powersOfTwo(most);
  return fixed === most && sizes.at(-1) !== fixed ? [...sizes, fixed] : sizes;
}

/** Before anything of ours runs. */
function noteBusy(load: number, cores: number): string[] {
  if (load < busyShare * cores) return [];
  return [
    `The machine was busy with something else (load ${load.toFixed(1)} on ${cores} cores): the figures are rough.`,
  ];
}

async function openTraffic(path: string | undefined): Promise<Traffic> {
  if (path === undefined) {
    const traffic = syntheticTraffic(maxArrivals / 10, seededRandom(syntheticSeed));
    return { ...traffic, title: `${traffic.title}, seed ${syntheticSeed}` };
  }
  const format = /\.(jsonl|ndjson)$/i.test(path) ? 'jsonl' : /\.csv$/i.test(path) ? 'csv' : undefined;
  if (format === undefined) throw invalidInput('traffic', 'The traffic file must end in .csv, .jsonl or .ndjson.');
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw invalidInput('traffic', `The traffic file cannot be read (${(error as NodeJS.ErrnoException).code}).`);
  }
  return readTraffic(text, format);
}
