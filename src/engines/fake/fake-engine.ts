/**
 * An engine that runs nothing: known answers after a simulated time, with failures on demand. Product code, for dry runs
 * of the server and for tests of everything above the engine port. Deterministic: no clock, randomness or threads of its own.
 */
import { HotpathError } from '../../core/errors.ts';
import type { Signature, Tensor } from '../../core/tensor.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Engine, EngineInstance, EngineModel, EngineRun, EngineSpec, ProbeReport } from '../../ports/engine.ts';
import { fakeAnswers } from './fake-answers.ts';

export interface FakeRun {
  readonly model: string;
  readonly version: string;
  readonly instance: number;
  /** Runs this instance has begun before this one. */
  readonly index: number;
  readonly rows: number;
  readonly inputs: readonly Tensor[];
}

/** `fail`: ENGINE_FAILED, the instance stays. `crash`: ENGINE_CRASHED, the instance is away for `recoveryMs`. */
export type FakeOutcome = 'answer' | 'fail' | 'crash';

export interface FakeModel {
  /** @default `features` float32[-1,-1] in; `features_copy` float32[-1,-1] and `row_sum` float32[-1] out */
  readonly signature?: Signature;
  /** Simulated milliseconds of a run: fixedMs + perRowMs * rows. @default 0 */
  readonly fixedMs?: number;
  /** @default 0 */
  readonly perRowMs?: number;
  /** @default 1 */
  readonly recoveryMs?: number;
  /** Sentence of a MODEL_FAILED that probing and loading throw. */
  readonly broken?: string;
  /** The probe's word on batching. @default safe */
  readonly batch?: ProbeReport['batch'];
  /** @default 1 MiB */
  readonly memoryBytes?: number;
  /** Decides each run; called when the run begins. @default always `answer` */
  readonly outcome?: (run: FakeRun) => FakeOutcome;
}

export interface FakeEngineOptions {
  /** What simulated time passes on; without one, runs answer at once and report the simulated duration. */
  readonly clock?: Clock | undefined;
  /** By model name or by file path; a path goes first. */
  readonly models?: Readonly<Record<string, FakeModel>>;
  /** For models not listed. */
  readonly fallback?: FakeModel;
  readonly onRestart?: ((cause: 'crash', model: { name: string; version: string }) => void) | undefined;
}

export const fakeSignature: Signature = {
  inputs: [{ name: 'features', datatype: 'float32', shape: [-1, -1] }],
  outputs: [
    { name: 'features_copy', datatype: 'float32', shape: [-1, -1] },
    { name: 'row_sum', datatype: 'float32', shape: [-1] },
  ],
  skippedOutputs: [],
};

export function createFakeEngine(options: FakeEngineOptions = {}): Engine {
  const models = new Set<EngineModel>();
  const configOf = (spec: EngineSpec): FakeModel => {
    const model = options.models?.[spec.path] ?? options.models?.[spec.name] ?? options.fallback ?? {};
    if (model.broken !== undefined) throw new HotpathError('MODEL_FAILED', model.broken);
    return model;
  };
  return {
    async probe(spec) {
      return reportOf(configOf(spec));
    },
    async load(spec, signature) {
      const config = configOf(spec);
      const instances = Array.from(
        { length: Math.max(1, spec.instances) },
        (_, id) => new FakeInstance(id, spec, signature, config, options),
      );
      const model: EngineModel = {
        signature,
        instances,
        executionProvider: 'cpu',
        async close() {
          await Promise.all(instances.map((instance) => instance.close()));
          models.delete(model);
        },
      };
      models.add(model);
      return model;
    },
    async close() {
      await Promise.all([...models].map((model) => model.close()));
    },
  };
}

function reportOf(config: FakeModel): ProbeReport {
  const signature = config.signature ?? fakeSignature;
  return {
    signature,
    batch: config.batch ?? { safe: true },
    singleRunMs: (config.fixedMs ?? 0) + (config.perRowMs ?? 0),
    trialShapes: signature.inputs.map(({ shape }) => shape.map((dim, axis) => (dim >= 0 ? dim : axis === 0 ? 1 : 4))),
    memoryBytes: config.memoryBytes ?? 2 ** 20,
    notes: ['Answers come from the fake engine.'],
    executionProvider: 'cpu',
  };
}

class FakeInstance implements EngineInstance {
  readonly id: number;
  available = true;
  onAvailable: (() => void) | undefined;
  readonly #spec: EngineSpec;
  readonly #signature: Signature;
  readonly #config: FakeModel;
  readonly #options: FakeEngineOptions;
  #runs = 0;
  #running: Promise<unknown> | undefined;
  #closed = false;

  constructor(id: number, spec: EngineSpec, signature: Signature, config: FakeModel, options: FakeEngineOptions) {
    this.id = id;
    this.#spec = spec;
    this.#signature = signature;
    this.#config = config;
    this.#options = options;
  }

  async run(inputs: readonly Tensor[], outputs?: readonly string[]): Promise<EngineRun> {
    if (this.#closed) throw new HotpathError('MODEL_NOT_READY', 'The model is unloading.');
    if (!this.available) throw new HotpathError('ENGINE_CRASHED', 'The engine worker is being replaced.');
    if (this.#running !== undefined) throw new HotpathError('INTERNAL', 'The engine instance is busy.');
    const run = this.#execute(inputs, outputs ?? this.#signature.outputs.map((output) => output.name));
    this.#running = run.catch(() => undefined);
    try {
      return await run;
    } finally {
      this.#running = undefined;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.available = false;
    await this.#running;
  }

  async #execute(inputs: readonly Tensor[], outputs: readonly string[]): Promise<EngineRun> {
    const rows = inputs[0]?.shape[0] ?? 1;
    const { name: model, version } = this.#spec;
    const run: FakeRun = { model, version, instance: this.id, index: this.#runs++, rows, inputs };
    const outcome = this.#config.outcome?.(run) ?? 'answer';
    const inferMs = (this.#config.fixedMs ?? 0) + (this.#config.perRowMs ?? 0) * rows;
    if (inferMs > 0) await this.#pass(inferMs);
    if (outcome === 'fail') throw new HotpathError('ENGINE_FAILED', 'The fake engine was told to fail this run.');
    if (outcome === 'crash') this.#crash();
    return { outputs: fakeAnswers(this.#signature, inputs, outputs), inferMs };
  }

  #crash(): never {
    this.available = false;
    this.#options.onRestart?.('crash', { name: this.#spec.name, version: this.#spec.version });
    void this.#pass(this.#config.recoveryMs ?? 1).then(() => {
      if (this.#closed) return;
      this.available = true;
      this.onAvailable?.();
    });
    throw new HotpathError('ENGINE_CRASHED', 'The fake engine was told to crash in this run.');
  }

  #pass(ms: number): Promise<void> {
    const { clock } = this.#options;
    if (clock === undefined) return Promise.resolve();
    return new Promise((resolve) => {
      clock.after(ms, resolve);
    });
  }
}
