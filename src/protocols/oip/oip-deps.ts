/** What the protocol's routes need from outside; the composition root fills it. Types only. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuditLog } from '../../ports/key-store.ts';
import type { Logger } from '../../ports/logger.ts';
import type { Telemetry } from '../../ports/telemetry.ts';
import type { LogLevel } from './log-settings.ts';
import type { ModelLookup } from './model-lookup.ts';
import type { OipTarget } from './read-json-request.ts';
import type { LoadRequest } from './repository.ts';
import type { ControlMode } from './server-metadata.ts';
import type { ModelStatisticsSource } from './statistics.ts';

export interface OipDeps extends ModelLookup {
  readonly version: string;
  /** Extensions beyond those built in, such as `sequence`. @default none */
  readonly extensions?: readonly string[];
  readonly logger: Logger;
  readonly telemetry: Telemetry;
  readonly health: () => { readonly state: 'starting' | 'ready' | 'draining' };
  /** Of all processes of the server, as they are now. */
  readonly statistics: () => Promise<ModelStatisticsSource>;
  /** Whether clients of this port may load, unload and change settings. */
  readonly control: ControlMode;
  /** Carries out loads that bring a config or files. Absent: they are refused as UNSUPPORTED. */
  readonly loadOverride?: ((request: LoadRequest) => Promise<void>) | undefined;
  readonly logLevel: () => LogLevel;
  /** In this process and its siblings. */
  readonly setLogLevel: (level: LogLevel) => Promise<void>;
  /** Where it is written down who loaded, unloaded and changed settings. */
  readonly audit?: Pick<AuditLog, 'append'> | undefined;
  readonly limits: {
    readonly maxJsonDepth: number;
    /** Of a load with files; all other bodies here are small. */
    readonly maxBodyBytes: number;
  };
  /** Takes over a request to `infer` before its body is read: hijacks the reply and answers. */
  readonly exchange: (request: FastifyRequest, reply: FastifyReply, target: OipTarget) => void;
}
