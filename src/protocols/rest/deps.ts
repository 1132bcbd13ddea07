/** What the native REST API needs from outside; the composition root fills it. Types only. */
import type { Config } from '../../config/schema.ts';
import type { IssueToken } from '../../core/access/login.ts';
import type { InFlightLimiter } from '../../core/admission/in-flight.ts';
import type { PredictionReader } from '../../core/predictions/prediction-reader.ts';
import type { ModelCatalog } from '../../core/registry/catalog.ts';
import type { InferCall, InferResponse } from '../../core/types.ts';
import type { AccessGuard } from '../../ports/access.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Interpret } from '../../ports/handler.ts';
import type { AuditLog } from '../../ports/key-store.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PerformanceView } from '../../ports/performance.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import type { LogLevel } from '../oip/log-settings.ts';
import type { LoadRequest } from '../oip/repository.ts';
import type { ModelStatisticsSource } from '../oip/statistics.ts';

export interface HealthView {
  readonly state: 'starting' | 'ready' | 'draining';
  readonly version: string;
  readonly uptimeSeconds: number;
  readonly memory: { readonly rssBytes: number; readonly heapUsedBytes: number; readonly limitBytes?: number };
  readonly performance: PerformanceView;
  /** Sentences on what is in force: batching per model, threads, providers. */
  readonly optimizations: readonly string[];
  /** Why it is not ready, or what an operator should know (an infeasible SLO). */
  readonly notes?: readonly string[];
}

export interface RestDeps {
  readonly config: Config;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly catalog: ModelCatalog;
  /** Carries out loads of the Open Inference Protocol that bring a config or files. Absent: they are refused. */
  readonly loadOverride?: ((request: LoadRequest) => Promise<void>) | undefined;
  /** Loads the version unless it is loaded, as its first request would. Never throws: the status tells. */
  readonly warm: (model: string, version: string | undefined) => Promise<void>;
  /** Must call `decode` at most once and settle for every call. */
  readonly infer: (call: InferCall) => Promise<InferResponse>;
  readonly interpret: Interpret;
  /** The model's own Triton configuration in its JSON form; undefined where it has none. */
  readonly writtenConfig: (model: string, instances: number) => Promise<object | undefined>;
  /** Of the Open Inference Protocol, beyond those built into it. */
  readonly extensions: readonly string[];
  /** Of Hotpath. */
  readonly version: string;
  /** Of all processes of the server, as they are now. */
  readonly statistics: () => Promise<ModelStatisticsSource>;
  readonly logLevel: () => LogLevel;
  /** In this process and its siblings. */
  readonly setLogLevel: (level: LogLevel) => Promise<void>;
  readonly health: () => HealthView;
  readonly metrics: () => Promise<{ readonly contentType: string; readonly body: string }>;
  /** Name of the model that /api/v1/predict uses; shown in the model list. */
  readonly defaultModel: () => string | undefined;
  /** Absent: anybody may ask. */
  readonly access?: AccessGuard | undefined;
  /** Absent: there is no POST /token. */
  readonly issueToken?: IssueToken | undefined;
  /** Public keys of the tokens that this server signs, as a JSON Web Key Set. Absent: the route is not there. */
  readonly jwks?: (() => Promise<object>) | undefined;
  /** Where it is written down who loaded, unloaded and changed settings. */
  readonly audit?: Pick<AuditLog, 'append'> | undefined;
  /** Shared with other protocols of the process; one of its own when not given. */
  readonly inFlight?: InFlightLimiter;
  /** Absent: predictions are not logged, and there is nothing to read back. */
  readonly predictions?: PredictionReader | undefined;
  /** Called once per finished prediction request; the recycler counts. */
  readonly onAnswered?: () => void;
}
