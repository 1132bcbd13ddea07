/**
 * The short forms for requests that name entities: each row is what the source of features knows of its entity, with the request's own
 * features over it. Read like any other row, so that the same sentences say what is wrong; they add where a value came from.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import type { FeatureRow } from '../../ports/feature-source.ts';
import { checkNames, isObject, readFeatures, readInstances } from './read-row.ts';
import { describeValue, quote } from './value-text.ts';

/** In the order of the entities; undefined: there is no such entity. */
export type FetchedRows = readonly (FeatureRow | undefined)[];

type Row = Record<string, unknown>;

/** `own`: the request's features by name, or undefined. @throws INVALID_INPUT. */
export function readJoinedRow(
  entity: string,
  fetched: FeatureRow | undefined,
  own: unknown,
  model: ModelView,
): Tensor[] {
  const known = knownRow('entity', entity, fetched);
  const mine = ownRow('features', own, model);
  const row = mergeRows(known, mine, model);
  try {
    return readFeatures(row, model);
  } catch (error) {
    throw withOrigin(error, 'features', entity, mine);
  }
}

/** `own`: as many objects as entities, or undefined. @throws INVALID_INPUT. */
export function readJoinedRows(
  entities: readonly string[],
  fetched: FetchedRows,
  own: unknown,
  model: ModelView,
): Tensor[] {
  const mine = ownRows(entities.length, own, model);
  const rows = entities.map((entity, index) =>
    mergeRows(knownRow(`entities[${index}]`, entity, fetched[index]), mine[index]!, model),
  );
  try {
    return readInstances(rows, model);
  } catch (error) {
    const index = indexOf(error);
    if (index === undefined || entities[index] === undefined) throw error;
    throw withOrigin(error, `instances[${index}]`, entities[index], mine[index]!);
  }
}

/** @throws INVALID_INPUT when the entity is unknown. */
export function knownRow(field: string, entity: string, fetched: FeatureRow | undefined): FeatureRow {
  if (fetched !== undefined) return fetched;
  throw invalidInput(field, `There is no entity ${quote(entity)}.`, 'an entity that the source of features knows');
}

function mergeRows(fetched: FeatureRow, own: Row, model: ModelView): Row {
  // No prototype: an input may have any name.
  const row: Row = Object.create(null);
  for (const { name } of model.signature.inputs) {
    if (Object.hasOwn(own, name)) row[name] = own[name];
    else if (Object.hasOwn(fetched, name)) row[name] = fetched[name];
  }
  return row;
}

function ownRow(field: string, own: unknown, model: ModelView): Row {
  if (own === undefined) return {};
  if (!isObject(own)) {
    const received = describeValue(own);
    const expected = 'an object by input name beside an entity';
    throw invalidInput(field, `${field}: expected ${expected}, got ${received}`, expected, received);
  }
  checkNames(field, own, model);
  return own;
}

function ownRows(count: number, own: unknown, model: ModelView): readonly Row[] {
  if (own === undefined) return new Array<Row>(count).fill({});
  if (!Array.isArray(own) || own.length !== count) {
    const received = describeValue(own);
    const expected = `as many rows as entities, ${count}`;
    throw invalidInput('instances', `instances: expected ${expected}, got ${received}`, expected, received);
  }
  return own.map((row, index) => ownRow(`instances[${index}]`, row, model));
}

/** The row that the error's field lies in. */
function indexOf(error: unknown): number | undefined {
  const field = error instanceof HotpathError ? error.details?.field : undefined;
  const match = field === undefined ? null : /^instances\[(\d+)\]/.exec(field);
  return match === null ? undefined : Number(match[1]);
}

/** Unless the value that is wrong is the request's own. */
function withOrigin(error: unknown, root: string, entity: string, own: Row): unknown {
  if (!(error instanceof HotpathError) || error.details?.field === undefined) return error;
  const path = error.details.field.slice(root.length + 1);
  for (const name of Object.keys(own)) {
    if (path === name || path.startsWith(`${name}[`)) return error;
  }
  const origin = error.message.startsWith('Missing')
    ? `; the source of features has none for the entity ${quote(entity)}`
    : ` (from the source of features, entity ${quote(entity)})`;
  const message = `${error.message}${origin}`;
  return new HotpathError(error.code, message, { ...error.details, entity });
}
