/**
 * A partition of predictions per day (UTC), bounded by ids, since ids sort by time. Made ahead by the writer and by migrate, so that
 * making one, which locks the table for a moment, is rare; dropped whole when all of it is too old. What has no partition goes to
 * predictions_other. Used by postgres-predictions.ts.
 */
import type { PoolClient } from 'pg';
import { firstIdOf, timeOfId } from '../sql/uuid.ts';
import { type ConnectionPool, inTransaction } from './connection-pool.ts';

const dayMs = 86_400_000;
const daysAhead = 2;
/** Records of other times are from a clock that is wrong. */
const daysBack = 400;
/** Any constant: one of our programs at a time changes the schema. */
export const schemaLock = 7_246_881_093;
const lockSchema = `SELECT pg_advisory_xact_lock(${schemaLock})`;
/** Readers and writers queue up behind whoever waits for the table: better to give up and come again. */
const beginQuickly = "BEGIN; SET LOCAL lock_timeout = '1s'";

/** check_violation, lock_not_available, insufficient_privilege. */
const mayGoWithout = new Set(['23514', '55P03', '42501']);
const retryMs = 600_000;

const partitionsSql = `SELECT child.relname AS name, child.reltuples AS estimate
  FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
  WHERE inhparent = to_regclass('predictions') AND child.relname ~ '^predictions_[0-9]{8}$'`;

function dayOf(unixMs: number): number {
  return Math.floor(unixMs / dayMs);
}

/** `predictions_20261121` */
function nameOf(day: number): string {
  return `predictions_${new Date(day * dayMs).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

function endOf(name: string): number {
  const digits = name.slice('predictions_'.length);
  return Date.UTC(Number(digits.slice(0, 4)), Number(digits.slice(4, 6)) - 1, Number(digits.slice(6)) + 1);
}

export class Partitions {
  readonly #pool: ConnectionPool;
  readonly #nowMs: () => number;
  /** Until when each day needs no further look; rows of a day that could not get one go to predictions_other. */
  readonly #knownUntil = new Map<number, number>();

  constructor(pool: ConnectionPool, nowMs: () => number) {
    this.#pool = pool;
    this.#nowMs = nowMs;
  }

  /** Today's and the next days'. */
  async makeAhead(client: PoolClient): Promise<void> {
    const today = dayOf(this.#nowMs());
    for (let day = today; day <= today + daysAhead; day++) await this.#make(client, day);
  }

  /** Those that records with these ids need. Nothing to do on most calls. */
  async makeFor(client: PoolClient, ids: readonly string[]): Promise<void> {
    const today = dayOf(this.#nowMs());
    if (!this.#isKnown(today + daysAhead)) await this.makeAhead(client);
    let last = today;
    for (const id of ids) {
      const day = dayOf(timeOfId(id));
      if (day === last) continue;
      last = day;
      if (day >= today - daysBack && day <= today + daysAhead) await this.#make(client, day);
    }
  }

  /** Drops the partitions that end before. Returns how many rows they held, by the last count of the server. */
  async dropBefore(beforeMs: number): Promise<number> {
    const { rows } = await this.#pool.use((client) => client.query<Partition>(partitionsSql));
    let dropped = 0;
    for (const partition of rows) {
      const endMs = endOf(partition.name);
      if (endMs > beforeMs) continue;
      dropped += await this.#pool.use((client) => this.#drop(client, partition));
      this.#knownUntil.delete(dayOf(endMs) - 1);
    }
    return dropped;
  }

  #isKnown(day: number): boolean {
    return (this.#knownUntil.get(day) ?? 0) > this.#nowMs();
  }

  #drop(client: PoolClient, { name, estimate }: Partition): Promise<number> {
    return inTransaction(client, beginQuickly, async () => {
      await client.query(lockSchema);
      if (!(await exists(client, name))) return 0;
      // Never analysed: few rows, or the server would have.
      const counted = estimate < 0 ? (await client.query(`SELECT count(*) AS n FROM ${name}`)).rows[0].n : estimate;
      await client.query(`DROP TABLE ${name}`);
      return Math.round(counted);
    });
  }

  async #make(client: PoolClient, day: number): Promise<void> {
    if (this.#isKnown(day)) return;
    const name = nameOf(day);
    let untilMs = Number.POSITIVE_INFINITY;
    try {
      await inTransaction(client, beginQuickly, async () => {
        await client.query(lockSchema);
        // IF NOT EXISTS would lock the table before it looks.
        if (await exists(client, name)) return;
        const [from, to] = [firstIdOf(day * dayMs), firstIdOf((day + 1) * dayMs)];
        // Tensors of a few kilobytes stay in the row: moved out of it each costs as much as two more rows.
        await client.query(
          `CREATE TABLE ${name} PARTITION OF predictions FOR VALUES FROM ('${from}') TO ('${to}') WITH (toast_tuple_target = 8160)`,
        );
      });
    } catch (error) {
      // Rows of that day are in predictions_other, somebody reads for long, or the user may not: it goes without, and is tried again.
      if (!mayGoWithout.has((error as { code?: string }).code ?? '')) throw error;
      untilMs = this.#nowMs() + retryMs;
    }
    this.#knownUntil.set(day, untilMs);
  }
}

interface Partition {
  readonly name: string;
  readonly estimate: number;
}

async function exists(client: PoolClient, name: string): Promise<boolean> {
  const { rows } = await client.query<{ found: boolean }>('SELECT to_regclass($1) IS NOT NULL AS found', [name]);
  return rows[0]!.found;
}
