/** What a database is opened with, whichever it is. The composition root fills it from the settings. */
import type { Clock, Random } from '../../ports/clock.ts';
import type { Database } from '../../ports/database.ts';
import type { Logger } from '../../ports/logger.ts';

export interface DatabaseOptions {
  /** `sqlite:<file>`, `sqlite::memory:` or `postgres://...`. */
  readonly url: string;
  /** Connections to PostgreSQL that are kept; SQLite ignores this and the next three. @default 8 */
  readonly poolSize?: number;
  /** Further ones under load. @default 4 */
  readonly poolOverflow?: number;
  /** Longest wait for a connection. @default 2000 */
  readonly poolTimeoutMs?: number;
  /** Age at which a connection is replaced, give or take 10 %; 0: never. @default 1800000 */
  readonly recycleMs?: number;
  /** Longest a statement of the server itself may run. @default 30000 */
  readonly statementTimeoutMs?: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** @default Math.random */
  readonly random?: Random;
  /** Unix time in milliseconds. @default Date.now */
  readonly nowMs?: () => number;
}

/** A database of somebody else, to fetch features from. */
export type ReadingDatabase = Pick<Database, 'read' | 'placeholder' | 'status' | 'close'>;
