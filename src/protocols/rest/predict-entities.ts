/**
 * `entity` and `entities` of a predict request: what may stand there and beside them. Their features are fetched once the model is known;
 * read-joined.ts joins them with the request's own.
 */
import { invalidInput } from '../../core/errors.ts';
import { entityRule, isEntity, maxEntities } from '../../core/features/entity.ts';
import { describeValue, quote } from '../codecs/value-text.ts';
import type { PayloadKind, PredictBody } from './predict-body.ts';

export type EntityField = 'entity' | 'entities';
/** What the request's own features of each are called. */
const ownField = { entity: 'features', entities: 'instances' } as const satisfies Record<EntityField, PayloadKind>;

/** `before`: which of the two fields the body had already. @throws INVALID_INPUT. */
export function takeEntities(
  body: PredictBody,
  name: EntityField,
  value: unknown,
  before: EntityField | undefined,
): EntityField {
  if (before !== undefined) {
    throw invalidInput(name, 'The body has both "entity" and "entities"; give one.', 'one of them', 'both');
  }
  body.entities = name === 'entity' ? [readEntity(name, value)] : readEntities(name, value);
  return name;
}

function readEntity(field: string, value: unknown): string {
  if (isEntity(value)) return value;
  throw wrong(field, entityRule, value);
}

function readEntities(field: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > maxEntities) {
    throw wrong(field, `a list of 1 to ${maxEntities} entities`, value);
  }
  for (let index = 0; index < value.length; index++) readEntity(`${field}[${index}]`, value[index]);
  return value;
}

/** An entity stands for one row, entities for as many; the request's own features go with them under the field of that form. */
export function joinEntities(
  body: PredictBody,
  name: EntityField,
  payloads: number,
  kinds: readonly PayloadKind[],
): void {
  const own = ownField[name];
  if (!kinds.includes(own)) {
    const other = name === 'entity' ? '"entities"' : '"entity"';
    const where = name === 'entity' ? '' : '; rows go to /api/v1/predict/batch';
    throw invalidInput(name, `${quote(name)} is not taken here; expected ${other}${where}.`, other, name);
  }
  if (payloads > 1 || (payloads === 1 && body.kind !== own)) {
    const expected = `${quote(own)} or nothing beside ${quote(name)}`;
    throw invalidInput(name, `The body must have ${expected}.`, expected, quote(body.kind));
  }
  body.kind = own;
}

function wrong(field: string, expected: string, value: unknown): Error {
  const received = describeValue(value);
  return invalidInput(field, `${field}: expected ${expected}, got ${received}`, expected, received);
}
