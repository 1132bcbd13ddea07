/**
 * Features in a database: a SELECT per entity, or one for many with a column `entity`. Names of entities are bound as parameters, never
 * written into the statement. Works on the Database port alone.
 */
import type { Database, SqlValue } from '../../ports/database.ts';
import type { FeatureRow, FeatureSource, FeaturesConfig, FeatureValue } from '../../ports/feature-source.ts';
import { SourceFailure } from './source-failure.ts';

/** Statements for many are made for one of these numbers of entities, so that the database prepares few; the rest repeats the last. */
const batchSizes = [1, 4, 16, 100] as const;

type Row = Readonly<Record<string, unknown>>;

/** `close` is called when the last model that uses it is gone. */
export function sqlFeatures(
  { key, batchKey, timeoutMs = 500 }: FeaturesConfig,
  database: Pick<Database, 'read' | 'placeholder'>,
  close: () => Promise<void> = async () => {},
): FeatureSource {
  const read = async (sql: string, values: readonly SqlValue[]): Promise<readonly Row[]> => {
    try {
      return await database.read(sql, values, timeoutMs);
    } catch (error) {
      const message = error instanceof Error ? error.message : 'The database failed.';
      throw new SourceFailure(message, false, { cause: error, answered: isDataError(error) });
    }
  };
  const mark = (index: number): string => database.placeholder(index);
  if (batchKey === undefined) {
    const { sql, uses } = bindOne(key, mark);
    return {
      text: true,
      maxBatch: 1,
      close,
      fetchMany: (entities) =>
        Promise.all(entities.map(async (entity) => firstOf(await read(sql, new Array<string>(uses).fill(entity))))),
    };
  }
  const statements = new Map(batchSizes.map((size) => [size, bindMany(batchKey, size, mark)]));
  return {
    text: true,
    maxBatch: 100,
    close,
    fetchMany: async (entities) => {
      const size = batchSizes.find((size) => size >= entities.length) ?? 100;
      const padded = [...entities, ...new Array<string>(size - entities.length).fill(entities.at(-1)!)];
      const { sql, uses } = statements.get(size)!;
      return inOrder(entities, await read(sql, new Array<string[]>(uses).fill(padded).flat()));
    },
  };
}

/** SQLSTATE class 22: the name of an entity is no value of the column's type. */
function isDataError(error: unknown): boolean {
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  const own = typeof code === 'string' && /^22[0-9A-Z]{3}$/.test(code);
  return own || (cause instanceof Error && isDataError(cause));
}

interface Statement {
  readonly sql: string;
  /** How often the values stand in it. */
  readonly uses: number;
}

/** Every place gets a parameter of its own, because PostgreSQL gives a parameter one type. */
function bindOne(template: string, mark: (index: number) => string): Statement {
  let uses = 0;
  const sql = template.replaceAll('{entity}', () => mark(++uses));
  return { sql, uses };
}

function bindMany(template: string, size: number, mark: (index: number) => string): Statement {
  let uses = 0;
  const sql = template.replaceAll('{entities}', () => {
    const first = uses++ * size;
    return Array.from({ length: size }, (_, index) => mark(first + index + 1)).join(', ');
  });
  return { sql, uses };
}

function firstOf(rows: readonly Row[]): FeatureRow | undefined {
  if (rows.length > 1) throw new SourceFailure('The SELECT of one entity answered several rows.', false);
  return rows[0] === undefined ? undefined : featuresOf(rows[0]);
}

function inOrder(entities: readonly string[], rows: readonly Row[]): readonly (FeatureRow | undefined)[] {
  const byEntity = new Map<string, Row>();
  for (const row of rows) {
    const name = row.entity;
    if (name === undefined || name === null) {
      throw new SourceFailure('The SELECT of many entities has no column "entity".', false);
    }
    if (byEntity.has(String(name))) throw new SourceFailure('An entity has several rows.', false);
    byEntity.set(String(name), row);
  }
  return entities.map((entity) => {
    const row = byEntity.get(entity);
    return row === undefined ? undefined : featuresOf(row);
  });
}

function featuresOf(row: Row): FeatureRow {
  const features: Record<string, FeatureValue> = Object.create(null);
  for (const [name, value] of Object.entries(row)) features[name] = toFeature(value);
  return features;
}

/** 64-bit integers beyond 2^53 stay exact as text, which the codecs read for inputs that take them. */
function toFeature(value: unknown): FeatureValue {
  if (typeof value === 'bigint') {
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value);
  }
  return value as FeatureValue;
}
