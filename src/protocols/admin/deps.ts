/** What the admin listener needs from outside; the composition root fills it. Types only. */
import type { Config } from '../../config/schema.ts';
import type { KeyAdmin } from '../../core/access/key-admin.ts';
import type { ModelCatalog } from '../../core/registry/catalog.ts';
import type { AccessGuard } from '../../ports/access.ts';
import type { AuditLog } from '../../ports/key-store.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PoolStatus, UpstreamPoolStatus } from '../../ports/pool-status.ts';
import type { CacheAdmin } from './cache-routes.ts';
import type { TaskAdmin } from './task-routes.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface Pools {
  readonly upstreams: readonly UpstreamPoolStatus[];
  /** To the database, to Redis, to sources of features. */
  readonly pools: readonly PoolStatus[];
}

export interface AdminDeps {
  readonly config: Config;
  readonly logger: Logger;
  readonly catalog: ModelCatalog;
  /** In this process and its siblings. */
  readonly setLogLevel: (level: LogLevel) => Promise<void>;
  /** Connections of this process. */
  readonly pools: () => Pools;
  /** @throws INVALID_INPUT, OVERLOADED while another profile runs. */
  readonly profileCpu: (seconds: number) => Promise<object>;
  readonly profileHeap: (seconds: number) => Promise<object>;
  /** Absent: there is no cache to look at, and no routes for it. */
  readonly cache?: CacheAdmin | undefined;
  /** Absent: there are no background tasks, and no routes for them. */
  readonly tasks?: TaskAdmin | undefined;
  /** Absent: whoever reaches the listener may do everything. */
  readonly access?: AccessGuard | undefined;
  /** Absent: keys can be neither made nor seen here. */
  readonly keys?: KeyAdmin | undefined;
  /** Absent: nothing is written down but the server's own log. */
  readonly audit?: AuditLog | undefined;
}
