/**
 * A model repository, an engine and batchers in memory, for tests of the registry: files are objects, runs advance the fake
 * clock, and everything that is open is counted. Tests only; it checks the rules that must hold at every moment by itself.
 */
import type { Engine, EngineInstance, EngineModel, EngineSpec, ProbeReport } from '../../ports/engine.ts';
import type { Logger } from '../../ports/logger.ts';
import type { ModelDefinition, ModelEntry, ModelFile, ModelSource } from '../../ports/model-source.ts';
import type { ModelTelemetry, Telemetry } from '../../ports/telemetry.ts';
import { HotpathError } from '../errors.ts';
import type {
  ModelRunner,
  PipelineOptions,
  RegistryOptions,
  RunnerOptions,
  RunnerStatus,
} from '../registry/dependencies.ts';
import { ModelRegistry } from '../registry/registry.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import type { Signature } from '../tensor.ts';

/** The contents of a model file, as the fake engine understands it. */
export interface FakeModel {
  readonly bytes?: number;
  readonly perRowMs?: number;
  readonly fixedMs?: number;
  readonly unsafe?: string;
  readonly probeError?: string;
  readonly loadError?: string;
  /** Runs with at least this many rows fail. */
  readonly failsFromRows?: number;
}

export interface FakeFolder extends Partial<ModelDefinition> {
  readonly versions: Record<string, FakeModel>;
  readonly configError?: string;
}

const signature: Signature = {
  inputs: [{ name: 'x', datatype: 'float32', shape: [-1, 4] }],
  outputs: [{ name: 'y', datatype: 'float32', shape: [-1, 1] }],
  skippedOutputs: [],
};

export class FakeSource implements ModelSource {
  readonly folders = new Map<string, FakeFolder>();
  finds = 0;
  lists = 0;
  notify: (names: readonly string[]) => void = () => {};
  watching = false;

  async list(): Promise<readonly ModelEntry[]> {
    this.lists++;
    return [...this.folders.keys()].sort().map((name) => this.#entry(name)!);
  }

  async find(name: string): Promise<ModelEntry | undefined> {
    this.finds++;
    return this.#entry(name);
  }

  async digest(file: ModelFile): Promise<string> {
    const [, name, version] = file.path.split('/');
    const model = this.folders.get(name!)?.versions[version!];
    if (model === undefined) throw new HotpathError('MODEL_FAILED', 'The model file is gone.');
    return JSON.stringify(model);
  }

  async readFile(): Promise<Uint8Array> {
    throw new HotpathError('MODEL_FAILED', 'There are no such files here.');
  }

  watch(onChange: (names: readonly string[]) => void): () => void {
    this.notify = onChange;
    this.watching = true;
    return () => {
      this.watching = false;
    };
  }

  #entry(name: string): ModelEntry | undefined {
    const folder = this.folders.get(name);
    if (folder === undefined) return undefined;
    const versions = Object.entries(folder.versions)
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([version, model]) => {
        const text = JSON.stringify(model);
        return { version, path: `/${name}/${version}`, sizeBytes: text.length, modifiedMs: hash(text) };
      });
    return { ...folder, name, versions, config: folder.config ?? {} };
  }
}

/** A model the engine has open. */
export interface OpenModel {
  readonly spec: EngineSpec;
  readonly runs: number[];
  closed: boolean;
}

export class FakeEngine implements Engine {
  readonly clock: SimulatedClock;
  readonly open = new Set<OpenModel>();
  readonly history: OpenModel[] = [];
  /** Set to hold every load until the promise is resolved. */
  barrier: Promise<void> | undefined;
  probes = 0;
  readonly #loading = new Set<string>();

  constructor(clock: SimulatedClock) {
    this.clock = clock;
  }

  get openBytes(): number {
    let bytes = 0;
    for (const { spec } of this.open) bytes += (contents(spec).bytes ?? 0) * spec.instances;
    return bytes;
  }

  async probe(spec: EngineSpec): Promise<ProbeReport> {
    this.probes++;
    const model = contents(spec);
    if (model.probeError !== undefined) throw new HotpathError('MODEL_FAILED', model.probeError);
    return {
      signature,
      batch: model.unsafe === undefined ? { safe: true } : { safe: false, reason: model.unsafe },
      singleRunMs: (model.perRowMs ?? 0) + (model.fixedMs ?? 0.1),
      trialShapes: [[1, 4]],
      memoryBytes: model.bytes ?? 0,
      notes: [],
      executionProvider: 'cpu',
    };
  }

  async load(spec: EngineSpec): Promise<EngineModel> {
    const key = `${spec.name}/${spec.version}/${spec.digest}`;
    if (this.#loading.has(key)) throw new Error(`${key} is loaded twice at the same time`);
    this.#loading.add(key);
    await this.barrier;
    this.#loading.delete(key);
    const model = contents(spec);
    if (model.loadError !== undefined) throw new HotpathError('MODEL_FAILED', model.loadError);
    const opened: OpenModel = { spec, runs: [], closed: false };
    this.open.add(opened);
    this.history.push(opened);
    return {
      signature,
      instances: Array.from({ length: spec.instances }, (_, id) => this.#instance(id, opened)),
      executionProvider: 'cpu',
      close: async () => {
        opened.closed = true;
        this.open.delete(opened);
      },
    };
  }

  async close(): Promise<void> {}

  #instance(id: number, opened: OpenModel): EngineInstance {
    const { perRowMs = 0, fixedMs = 0.1, failsFromRows = Number.POSITIVE_INFINITY } = contents(opened.spec);
    return {
      id,
      available: true,
      onAvailable: undefined,
      run: async (inputs) => {
        const rows = inputs[0]!.shape[0]!;
        opened.runs.push(rows);
        if (rows >= failsFromRows) throw new HotpathError('ENGINE_FAILED', 'out of memory');
        this.clock.advance(perRowMs * rows + fixedMs);
        return { outputs: [], inferMs: perRowMs * rows + fixedMs };
      },
    };
  }
}

/** A batcher or a pipeline that only knows whether it is open. */
export class FakeRunner implements ModelRunner {
  readonly #options: RunnerOptions | undefined;
  readonly pipeline: PipelineOptions | undefined;
  liveSequences = 0;
  closed = false;

  constructor(options: RunnerOptions | undefined, pipeline?: PipelineOptions) {
    this.#options = options;
    this.pipeline = pipeline;
  }

  /** Of a batcher. */
  get options(): RunnerOptions {
    return this.#options!;
  }

  status(): RunnerStatus {
    return { queue: { rows: 0, requests: 0, bytes: 0 }, busyInstances: 0, inFlightRequests: 0, sloInfeasible: false };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

export interface RegistryWorld {
  readonly clock: SimulatedClock;
  readonly source: FakeSource;
  readonly engine: FakeEngine;
  readonly registry: ModelRegistry<FakeRunner>;
  readonly loadEvents: string[];
}

export function registryWorld(
  folders: Record<string, FakeFolder>,
  overrides: Partial<RegistryOptions> = {},
): RegistryWorld {
  const clock = new SimulatedClock();
  const source = new FakeSource();
  for (const [name, folder] of Object.entries(folders)) source.folders.set(name, folder);
  const engine = new FakeEngine(clock);
  const loadEvents: string[] = [];
  const telemetry: Telemetry = {
    forModel: () => silentModelTelemetry,
    unroutedRequest: () => {},
    modelLoaded: (model, version) => loadEvents.push(`loaded ${model}/${version}`),
    modelLoadFailed: (model, version) => loadEvents.push(`failed ${model}/${version}`),
  };
  const createBatcher = (options: RunnerOptions) => new FakeRunner(options);
  const createPipeline = (pipeline: PipelineOptions) => new FakeRunner(undefined, pipeline);
  const deps = { source, engine, clock, telemetry, logger: silentLogger, createBatcher, createPipeline };
  const registry = new ModelRegistry<FakeRunner>(deps, { ...defaults, ...overrides });
  return { clock, source, engine, registry, loadEvents };
}

/** Lets everything run that waits for nothing but promises. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 200; turn++) await Promise.resolve();
}

const defaults: RegistryOptions = {
  defaultModel: '',
  cores: 4,
  memoryBudget: 0,
  maxLoadedModels: 0,
  loadTimeoutMs: 60_000,
  sloMs: 1000,
  runTimeoutMs: 30_000,
  maxQueueRows: 1000,
  maxQueueBytes: 1e6,
  watch: false,
  preload: false,
};

const silentLogger: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

const silentModelTelemetry: ModelTelemetry = {
  request: () => {},
  stages: () => {},
  batch: () => {},
  shed: () => {},
  expired: () => {},
  cancelled: () => {},
  workerRestarted: () => {},
  cacheRows: () => {},
  cacheTier: () => {},
};

function contents(spec: EngineSpec): FakeModel {
  return JSON.parse(spec.digest) as FakeModel;
}

function hash(text: string): number {
  let value = 7;
  for (const char of text) value = (value * 31 + char.charCodeAt(0)) % 1_000_003;
  return value;
}
