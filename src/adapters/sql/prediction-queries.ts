/**
 * Reading predictions, on both databases: by id, as lists, and the most frequent inputs. The main queries are answered by an index
 * alone (migrations.ts); test/integration/database-plans.test.ts holds them to it.
 */
import { sql } from 'kysely';
import type {
  FrequentInput,
  PredictionFilter,
  PredictionRecord,
  PredictionSummary,
} from '../../ports/prediction-store.ts';
import { type PredictionTable, type SqlEngine, type SqlId, selectRows, summaryColumns } from './tables.ts';
import { firstIdOf, isUuid, timeOfId } from './uuid.ts';

type SummaryRow = Pick<PredictionTable, (typeof summaryColumns)[number]>;
const nothing = new Uint8Array(0);

function toSummary(engine: SqlEngine, row: SummaryRow): PredictionSummary {
  const id = engine.fromSqlId(row.id);
  return {
    id,
    createdMs: timeOfId(id),
    model: row.model,
    version: row.version,
    status: row.status,
    caller: row.caller,
    rows: row.row_count,
    durationMs: row.duration_ms,
    cache: row.cache,
  };
}

export async function findPrediction(engine: SqlEngine, id: string): Promise<PredictionRecord | undefined> {
  if (!isUuid(id)) return undefined;
  const query = engine.builder.selectFrom('predictions').selectAll().where('id', '=', engine.toSqlId(id)).compile();
  const [row] = await selectRows(engine, query);
  if (row === undefined) return undefined;
  return {
    ...toSummary(engine, row),
    inputKey: row.input_key ?? nothing,
    inputs: row.inputs ?? undefined,
    outputs: row.outputs ?? undefined,
  };
}

/** The query behind `list`, also for its plan. */
export function listQuery({ builder, toSqlId }: SqlEngine, filter: PredictionFilter, limit: number) {
  const { model, version, status, fromMs, toMs, before } = filter;
  let query = builder.selectFrom('predictions').select(summaryColumns);
  if (model !== undefined) query = query.where('model', '=', model);
  if (version !== undefined) query = query.where('version', '=', version);
  // As a literal: a partial index is used only when the condition itself is read.
  if (status === 'failed') query = query.where(sql<boolean>`status <> 'OK'`);
  else if (status !== undefined) query = query.where('status', '=', status);
  if (status !== undefined && status !== 'failed' && status !== 'OK') query = query.where(sql<boolean>`status <> 'OK'`);
  if (fromMs !== undefined) query = query.where('id', '>=', toSqlId(firstIdOf(fromMs)));
  if (toMs !== undefined) query = query.where('id', '<', toSqlId(firstIdOf(toMs)));
  if (before !== undefined) query = query.where('id', '<', toSqlId(before));
  return query.orderBy('id', 'desc').limit(limit).compile();
}

export async function listPredictions(
  engine: SqlEngine,
  filter: PredictionFilter,
  limit: number,
): Promise<readonly PredictionSummary[]> {
  if (filter.before !== undefined && !isUuid(filter.before)) return [];
  const rows = await selectRows(engine, listQuery(engine, filter, limit));
  return rows.map((row) => toSummary(engine, row));
}

/** Counts alone, so that the index is enough; the inputs of the few that are wanted are fetched by id. */
export function frequentQuery(
  { builder, kind, toSqlId }: SqlEngine,
  model: string,
  version: string,
  fromMs: number,
  limit: number,
) {
  // PostgreSQL 15 has no max(uuid).
  const newest = kind === 'sqlite' ? sql<SqlId>`max(id)` : sql<SqlId>`max(id::text COLLATE "C")`;
  return builder
    .selectFrom('predictions')
    .select(sql<number>`count(*)`.as('count'))
    .select(newest.as('newest'))
    .where('model', '=', model)
    .where('version', '=', version)
    .where('status', '=', 'OK')
    .where('input_key', 'is not', null)
    .where('id', '>=', toSqlId(firstIdOf(fromMs)))
    .groupBy('input_key')
    .orderBy('count', 'desc')
    .orderBy('newest', 'desc')
    .limit(limit)
    .compile();
}

export async function frequentInputs(
  engine: SqlEngine,
  model: string,
  version: string,
  fromMs: number,
  limit: number,
): Promise<readonly FrequentInput[]> {
  const groups = await selectRows(engine, frequentQuery(engine, model, version, fromMs, limit));
  if (groups.length === 0) return [];
  const ids = groups.map(({ newest }) => newest);
  const found = await selectRows(
    engine,
    engine.builder.selectFrom('predictions').select(['id', 'inputs']).where('id', 'in', ids).compile(),
  );
  const inputsById = new Map(found.map(({ id, inputs }) => [engine.fromSqlId(id), inputs]));
  return groups.flatMap(({ newest, count }) => {
    const inputs = inputsById.get(engine.fromSqlId(newest));
    return inputs === null || inputs === undefined ? [] : [{ inputs, count }];
  });
}
