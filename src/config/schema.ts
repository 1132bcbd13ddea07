/**
 * The one table of server settings: type, default, help. Environment names (`HOTPATH_` + upper snake), flags (kebab) and
 * docs/reference/config.md are derived from it; config/load.ts reads file, environment and flags, in that order of strength.
 */

export interface Setting<T> {
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'bytes' | 'durationMs' | 'enum' | 'list';
  readonly default: T;
  readonly help: string;
  /** Legal values of an enum. */
  readonly values?: readonly string[];
  readonly min?: number;
  readonly max?: number;
}

const text = (fallback: string, help: string): Setting<string> => ({ type: 'string', default: fallback, help });
const flag = (fallback: boolean, help: string): Setting<boolean> => ({ type: 'boolean', default: fallback, help });
const integer = (fallback: number, min: number, max: number, help: string): Setting<number> => ({
  type: 'integer',
  default: fallback,
  min,
  max,
  help,
});
const bytes = (fallback: number, help: string): Setting<number> => ({ type: 'bytes', default: fallback, min: 0, help });
const durationMs = (fallback: number, help: string): Setting<number> => ({
  type: 'durationMs',
  default: fallback,
  min: 0,
  help,
});
function oneOf<const T extends readonly string[]>(values: T, fallback: T[number], help: string): Setting<T[number]> {
  return { type: 'enum', default: fallback, values, help };
}

const list = (help: string): Setting<readonly unknown[]> => ({ type: 'list', default: [], help });

const MiB = 1024 * 1024;

export const settings = {
  host: text('127.0.0.1', 'Address the public listener binds to.'),
  port: integer(8000, 0, 65535, 'Port of the public listener; 0 picks a free one.'),
  adminHost: text(
    '127.0.0.1',
    'Address of the admin listener. Without auth anybody who reaches it may do everything: keep it on loopback then.',
  ),
  adminPort: integer(
    8002,
    0,
    65535,
    'Port of the admin listener (load, unload, log level, profiles); 0 picks a free one.',
  ),
  adminEnabled: flag(true, 'Start the admin listener.'),
  grpcEnabled: flag(true, 'Start the gRPC listener (Open Inference Protocol).'),
  grpcPort: integer(8001, 0, 65535, 'Port of the gRPC listener, on the host of the public one; 0 picks a free one.'),
  models: text('models', 'Folder of the model repository: <name>/<version>/model.onnx.'),
  defaultModel: text('', 'Model of /api/v1/predict when the request names none; empty: the only model, or iris.'),
  engine: oneOf(
    ['onnx', 'fake'],
    'onnx',
    'What runs models; fake answers by a documented formula instead of running them, for dry runs.',
  ),
  cacheDir: text('.hotpath', 'Folder for what was learned of models (probe reports); may be read-only or absent.'),
  taskDir: text(
    '.hotpath/tasks',
    'Folder of background tasks, with one folder per model repository, made with the first task; empty: there are none.',
  ),
  workers: integer(1, 1, 256, 'HTTP processes. Each has its own engine threads and shares the cores.'),
  maxRequests: integer(0, 0, Number.MAX_SAFE_INTEGER, 'Requests after which an HTTP process is recycled; 0: never.'),
  maxRequestsJitter: integer(
    0,
    0,
    Number.MAX_SAFE_INTEGER,
    'Up to this many requests are added to maxRequests, at random.',
  ),
  watch: flag(false, 'Watch the model folder: load new versions, swap changed ones, drop removed ones.'),
  preload: flag(
    false,
    'Load every model at start instead of on its first request. Pinned models always load at start.',
  ),
  memoryBudget: bytes(
    0,
    'Bytes all loaded models may occupy before the least recently used is evicted; 0: half of the memory limit.',
  ),
  maxLoadedModels: integer(
    0,
    0,
    100_000,
    'Loaded model versions before the least recently used is evicted; 0: no limit.',
  ),
  threads: integer(0, 0, 4096, 'Cores the engines may use; 0: what the cgroup grants, divided by workers.'),
  loadTimeoutMs: durationMs(60_000, 'Time a model may take to probe and load.'),
  sloMs: durationMs(1000, 'Deadline of requests that bring none, for models without their own sloMs.'),
  runTimeoutMs: durationMs(30_000, 'A run longer than this is a hang and its worker is replaced.'),
  maxQueueRows: integer(16_384, 1, 1_000_000_000, 'Rows that may wait per model.'),
  maxQueueBytes: bytes(512 * MiB, 'Bytes of input tensors that may wait per model.'),
  maxInFlight: integer(10_000, 1, 1_000_000, 'Predictions in progress per process; beyond it 503.'),
  maxInFlightPerClient: integer(
    0,
    0,
    1_000_000,
    'Predictions in progress per client address; beyond it 429; 0: no limit.',
  ),
  maxConnections: integer(10_000, 1, 1_000_000, 'Open connections per process.'),
  maxBodyBytes: bytes(64 * MiB, 'Largest binary or MessagePack request body, also after decompression.'),
  maxJsonBytes: bytes(8 * MiB, 'Largest JSON request body, also after decompression.'),
  maxJsonDepth: integer(100, 1, 10_000, 'Deepest nesting of a JSON or MessagePack body.'),
  maxDecompressionRatio: integer(
    100,
    1,
    100_000,
    'Largest decoded:encoded ratio of a compressed body beyond 1 MiB decoded.',
  ),
  maxInputs: integer(256, 1, 65_536, 'Most inputs or requested outputs one request may name.'),
  maxDims: integer(16, 1, 255, 'Most dimensions a tensor may have.'),
  headersTimeoutMs: durationMs(15_000, 'Time a client has to send its headers.'),
  requestTimeoutMs: durationMs(60_000, 'Time a client has to send its whole request.'),
  keepAliveTimeoutMs: durationMs(
    72_000,
    'Idle time after which a kept-alive connection is closed; above the usual 60 s of load balancers.',
  ),
  shutdownDelayMs: durationMs(
    0,
    'Time between turning not ready and closing the listener, for load balancers to notice.',
  ),
  shutdownTimeoutMs: durationMs(30_000, 'Time accepted requests have to finish after SIGTERM.'),
  compressMinBytes: bytes(1024, 'Responses at least this large are compressed when the client accepts it; 0: never.'),
  http2: oneOf(
    ['off', 'h2c', 'tls'],
    'off',
    'HTTP/2: off, h2c (prior knowledge, no HTTP/1.1 on the port), or tls (ALPN, HTTP/1.1 too).',
  ),
  tlsCert: text('', 'PEM file of the certificate chain; with tlsKey turns on TLS.'),
  tlsKey: text('', 'PEM file of the private key.'),
  tlsClientCa: text(
    '',
    'PEM file of the authorities that gRPC clients’ certificates must come from; empty: none asked for.',
  ),
  grpcMaxMessageBytes: bytes(64 * MiB, 'Largest gRPC message, also after decompression.'),
  grpcMaxReceiveBytes: bytes(1024 * MiB, 'Memory for large gRPC messages while they arrive, over all calls.'),
  grpcMaxStreams: integer(4096, 1, 1_000_000, 'gRPC calls at once per connection.'),
  grpcMaxStreamRequests: integer(
    64,
    1,
    100_000,
    'Requests of one ModelStreamInfer call in progress; beyond it the client is held back.',
  ),
  grpcMaxConnectionAgeMs: durationMs(
    0,
    'Age at which a gRPC connection is asked to reconnect, give or take 10 %, so that load spreads; 0: never.',
  ),
  grpcMaxConnectionAgeGraceMs: durationMs(30_000, 'Time its calls have to finish after that.'),
  grpcKeepaliveTimeMs: durationMs(60_000, 'Silence after which a gRPC client is pinged; 0: never.'),
  grpcKeepaliveTimeoutMs: durationMs(20_000, 'Time it has to answer the ping.'),
  ndjsonThresholdRows: integer(
    1000,
    1,
    1_000_000_000,
    'Batch answers over this many rows stream as NDJSON when asked for.',
  ),
  modelControl: oneOf(
    ['none', 'explicit'],
    'none',
    'explicit: clients of the Open Inference Protocol may load and unload models and change the log level; none: only the admin API may.',
  ),
  logLevel: oneOf(['debug', 'info', 'warn', 'error', 'silent'], 'info', 'Least severe log lines to write.'),
  slowRequestMs: durationMs(1000, 'Requests slower than this are logged; 0: none.'),
  cacheMemory: bytes(256 * MiB, 'Bytes of cached answers and features in memory, per process; 0: none.'),
  cacheTimeoutMs: durationMs(25, 'Longest wait for a cache tier beyond memory; after it the request goes on without.'),
  redisUrl: text(
    '',
    'redis:// or rediss:// URL of the shared cache tier, of invalidations and of rate limits; empty: none.',
  ),
  redisConnections: integer(2, 1, 64, 'Connections to Redis per process; commands are pipelined on each.'),
  databaseUrl: text(
    'sqlite:.hotpath/hotpath.db',
    'Database of predictions, cached answers and API keys: sqlite:<file> or postgres://...; opened when something needs it.',
  ),
  databasePoolSize: integer(8, 1, 1000, 'Connections to PostgreSQL that are kept, per process.'),
  databasePoolOverflow: integer(4, 0, 1000, 'Further connections under load; they are closed when given back.'),
  databasePoolTimeoutMs: durationMs(2000, 'Longest wait for a connection to PostgreSQL.'),
  databaseRecycleMs: durationMs(1_800_000, 'Age at which a connection to PostgreSQL is replaced; 0: never.'),
  databaseMigrate: flag(true, 'Bring the schema of the database up to date at start; else `hotpath db migrate` does.'),
  predictionLog: oneOf(
    ['off', 'async', 'stored'],
    'off',
    'Whether predictions are written to the database: async after the answer was sent; stored: the answer waits until its record is durable.',
  ),
  predictionLogBuffer: integer(100_000, 1, 100_000_000, 'Records that may wait to be written.'),
  predictionLogFull: oneOf(
    ['drop', 'wait'],
    'drop',
    'When as many wait: drop counts and forgets further records; wait holds answers back.',
  ),
  predictionLogMaxBytes: bytes(16 * 1024, 'Inputs or outputs with more bytes are left out of the record; 0: always.'),
  predictionRetentionDays: integer(30, 0, 36_500, 'Days after which predictions are dropped; 0: never.'),
  featureHosts: text(
    '',
    'Hosts that features may be fetched from over HTTP, such as features.internal:8080,*.example.com; empty: none.',
  ),
  auth: oneOf(
    ['off', 'on'],
    'off',
    'on: every request needs an API key or a bearer token, except health checks and documentation.',
  ),
  authUsers: list(
    'Users who may ask POST /token for a token: objects with name, password (a hash of `hotpath auth hash`), role, models.',
  ),
  authIssuers: list(
    'Issuers whose tokens are accepted: objects with issuer, audience, jwksUrl, algorithms, role or roleClaim.',
  ),
  authIssuer: text('hotpath', 'The iss of tokens this server signs.'),
  authAudience: text('hotpath', 'The aud of tokens this server signs and accepts.'),
  authTokenTtlMs: durationMs(900_000, 'How long such a token is valid.'),
  authKeyFile: text(
    '.hotpath/token-keys.json',
    'File of the keys that sign tokens; made at the first use, readable by its owner only.',
  ),
  rateLimit: integer(
    0,
    0,
    1_000_000_000,
    'Requests per second of each caller that has no limit of its own; 0: no limit.',
  ),
  rateBurst: integer(0, 0, 1_000_000_000, 'Requests at once after a pause; 0: as many as rateLimit.'),
  quotaPerDay: integer(
    0,
    0,
    Number.MAX_SAFE_INTEGER,
    'Requests per day (UTC) of each caller that has no quota of its own; 0: no limit.',
  ),
  metricsNv: flag(false, 'Also expose Triton’s nv_inference_* metric names.'),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof settings;

/** The effective configuration: every setting present, frozen. */
export type Config = {
  readonly [Name in SettingName]: (typeof settings)[Name] extends Setting<infer T> ? T : never;
};
