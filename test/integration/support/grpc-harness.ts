/**
 * A gRPC server for tests: the real core (registry, batcher, infer) over the fake engine, models in memory, everything it reports
 * recorded. `started` counts engine runs, `hold` stops them.
 */
import { systemClock } from '../../../src/adapters/system-clock.ts';
import { InFlightLimiter } from '../../../src/core/admission/in-flight.ts';
import { Batcher } from '../../../src/core/batching/batcher.ts';
import { HotpathError } from '../../../src/core/errors.ts';
import { infer } from '../../../src/core/infer.ts';
import { ModelRegistry } from '../../../src/core/registry/registry.ts';
import type { Datatype, Signature } from '../../../src/core/tensor.ts';
import type { InferCall } from '../../../src/core/types.ts';
import { createFakeEngine, type FakeModel } from '../../../src/engines/fake/fake-engine.ts';
import type { ModelEntry, ModelSource } from '../../../src/ports/model-source.ts';
import type { ModelTelemetry, Telemetry } from '../../../src/ports/telemetry.ts';
import type { GrpcConfig, GrpcDeps } from '../../../src/protocols/grpc/deps.ts';
import { createGrpcServer, type GrpcServer } from '../../../src/protocols/grpc/grpc-server.ts';

const MiB = 1024 * 1024;

export const grpcConfig: GrpcConfig = {
  host: '127.0.0.1',
  grpcPort: 0,
  tlsCert: '',
  tlsKey: '',
  tlsClientCa: '',
  grpcMaxMessageBytes: 64 * MiB,
  grpcMaxReceiveBytes: 1024 * MiB,
  maxDecompressionRatio: 100,
  compressMinBytes: 1024,
  maxInputs: 256,
  maxDims: 16,
  maxInFlight: 10_000,
  maxInFlightPerClient: 0,
  maxConnections: 1000,
  grpcMaxStreams: 4096,
  grpcMaxStreamRequests: 64,
  grpcMaxConnectionAgeMs: 0,
  grpcMaxConnectionAgeGraceMs: 5000,
  grpcKeepaliveTimeMs: 0,
  grpcKeepaliveTimeoutMs: 20_000,
  headersTimeoutMs: 5000,
  requestTimeoutMs: 30_000,
  slowRequestMs: 0,
};

export interface TestServer extends AsyncDisposable {
  readonly server: GrpcServer;
  /** What it was made of, for other protocols beside it. */
  readonly deps: GrpcDeps;
  readonly port: number;
  readonly address: string;
  /** `model code` of every finished prediction, in order. */
  readonly requests: string[];
  readonly logs: { readonly level: string; readonly fields: object; readonly message: string }[];
  readonly inFlight: InFlightLimiter;
  readonly calls: InferCall[];
  state: 'starting' | 'ready' | 'draining';
}

export interface TestOptions {
  readonly config?: Partial<GrpcConfig>;
  readonly models?: Readonly<Record<string, FakeModel>>;
  readonly deps?: Partial<GrpcDeps>;
}

/** Copies of inputs of every datatype, named by it: `[rows, width]` in and out. */
export function identityModel(...datatypes: readonly Datatype[]): FakeModel {
  const specs = datatypes.map((datatype) => ({ name: datatype, datatype, shape: [-1, -1] }));
  const signature: Signature = { inputs: specs, outputs: specs, skippedOutputs: [] };
  return { signature };
}

/** As `infer`: a prediction that ends only when its client leaves. */
export function waitForCancel({ cancel }: InferCall): Promise<never> {
  return new Promise((_, reject) => {
    cancel!.onCancel = () => reject(new HotpathError('CANCELLED', 'The client left.'));
  });
}

/** As `infer`: a prediction that never ends, not even when its client leaves. */
export const neverAnswer = () => new Promise<never>(() => {});

export async function startGrpc(options: TestOptions = {}): Promise<TestServer> {
  const models = { demo: {}, ...options.models };
  const config = { ...grpcConfig, ...options.config };
  const clock = systemClock;
  const requests: string[] = [];
  const logs: { level: string; fields: object; message: string }[] = [];
  const log = (level: string) => (fields: object, message: string) => void logs.push({ level, fields, message });
  const logger = { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') };
  const telemetry = recordingTelemetry(requests);
  const engine = createFakeEngine({ clock, models });
  const registry = new ModelRegistry<Batcher>(
    {
      source: memorySource(Object.keys(models)),
      engine,
      clock,
      telemetry,
      logger,
      createBatcher: (parts) => new Batcher({ ...parts, random: () => 0.5 }),
    },
    registryNumbers,
  );
  await registry.start();
  const inFlight = new InFlightLimiter(config);
  const calls: InferCall[] = [];
  const inferDeps = { clock, acquire: registry.acquire.bind(registry) };
  const test = { state: 'ready' as TestServer['state'] };
  const deps: GrpcDeps = {
    config,
    clock,
    random: () => 0.5,
    logger,
    telemetry,
    catalog: registry,
    warm: (model, version) => registry.warm(model, version),
    infer: (call) => {
      calls.push(call);
      return infer(inferDeps, call);
    },
    health: () => ({ state: test.state }),
    version: '1.2.3',
    control: 'explicit',
    logLevel: () => 'info',
    setLogLevel: async () => {},
    statistics: async () => ({ counters: () => undefined }),
    inFlight,
    ...options.deps,
  };
  const server = createGrpcServer(deps);
  const { port } = await server.listen();
  return Object.assign(test, {
    server,
    deps,
    port,
    address: `127.0.0.1:${port}`,
    requests,
    logs,
    inFlight,
    calls,
    async [Symbol.asyncDispose]() {
      await server.destroy();
      await registry.close();
      await engine.close();
    },
  });
}

const registryNumbers = {
  defaultModel: '',
  cores: 2,
  memoryBudget: 0,
  maxLoadedModels: 0,
  loadTimeoutMs: 10_000,
  sloMs: 10_000,
  runTimeoutMs: 10_000,
  maxQueueRows: 100_000,
  maxQueueBytes: 1024 * MiB,
  watch: false,
  preload: false,
};

function memorySource(names: readonly string[]): ModelSource {
  const entry = (name: string): ModelEntry => ({
    name,
    versions: [{ version: '1', path: `/${name}/1`, sizeBytes: 1, modifiedMs: 1 }],
    config: { nan: 'allow', warmupRows: [] },
  });
  return {
    list: async () => [...names].sort().map(entry),
    find: async (name) => (names.includes(name) ? entry(name) : undefined),
    digest: async (file) => file.path,
    readFile: async () => new Uint8Array(0),
    watch: () => () => {},
  };
}

function recordingTelemetry(requests: string[]): Telemetry {
  const nothing = () => {};
  const forModel = (model: string): ModelTelemetry => ({
    request: (protocol, code) => void requests.push(`${protocol} ${model} ${code}`),
    stages: nothing,
    batch: nothing,
    shed: nothing,
    expired: nothing,
    cancelled: nothing,
    workerRestarted: nothing,
    cacheRows: nothing,
    cacheTier: nothing,
  });
  return {
    forModel,
    unroutedRequest: (protocol, code) => void requests.push(`${protocol} - ${code}`),
    modelLoaded: nothing,
    modelLoadFailed: nothing,
  };
}
