/** What the admin listener needs from outside; the composition root fills it. Types only. */
import type { Config } from '../../config/schema.ts';
import type { ModelCatalog } from '../../core/registry/catalog.ts';
import type { Logger } from '../../ports/logger.ts';
import type { UpstreamPoolStatus } from '../../ports/pool-status.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface AdminDeps {
  readonly config: Config;
  readonly logger: Logger;
  readonly catalog: ModelCatalog;
  /** In this process and its siblings. */
  readonly setLogLevel: (level: LogLevel) => Promise<void>;
  /** Connections of this process to upstream servers. */
  readonly pools: () => readonly UpstreamPoolStatus[];
  /** @throws INVALID_INPUT, OVERLOADED while another profile runs. */
  readonly profileCpu: (seconds: number) => Promise<object>;
  readonly profileHeap: (seconds: number) => Promise<object>;
}
