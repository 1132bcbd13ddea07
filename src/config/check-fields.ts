/**
 * Checks an object of model.json against a table of fields and says what is wrong in words. Used by model-config.ts for the file
 * and by upstream-fields.ts for its nested objects.
 */
import { type HotpathError, invalidInput } from '../core/errors.ts';
import { invalid, isObject, type ModelField } from './model-config-fields.ts';
import { nearestName } from './suggest.ts';

// biome-ignore lint/suspicious/noExplicitAny: a table holds fields of different types
export type FieldTable = Readonly<Record<string, ModelField<any>>>;

/**
 * A copy with every value checked. `path` stands before the names in messages: '' or 'upstream.'.
 * @throws INVALID_INPUT naming the field and what was expected; unknown fields suggest the nearest known one.
 */
export function checkFields(fields: FieldTable, json: Record<string, unknown>, path = ''): Record<string, unknown> {
  const checked: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(json)) {
    if (!Object.hasOwn(fields, name)) throw unknownField(fields, name, path);
    checked[name] = checkField(fields[name]!, path + name, value);
  }
  return checked;
}

function checkField(field: ModelField<unknown>, name: string, value: unknown): unknown {
  if (field.fields !== undefined && isObject(value)) return checkFields(field.fields, value, `${name}.`);
  const checked = field.check(value);
  if (checked !== invalid) return checked;
  throw wrongValue(name, field.type, value);
}

export function wrongValue(name: string, expected: string, value: unknown): HotpathError {
  const received = show(value);
  return invalidInput(name, `model.json: "${name}" must be ${article(expected)}, not ${received}.`, expected, received);
}

function unknownField(fields: FieldTable, name: string, path: string): HotpathError {
  const nearest = nearestName(name.slice(0, 64), Object.keys(fields));
  const hint = nearest === undefined ? '' : ` Did you mean "${path}${nearest}"?`;
  return invalidInput(path + name, `model.json: there is no field ${show(path + name)}.${hint}`, nearest);
}

function article(type: string): string {
  if (/^(one of|true|")/.test(type)) return type;
  return /^[aio]/.test(type) ? `an ${type}` : `a ${type}`;
}

function show(value: unknown): string {
  const written = JSON.stringify(value) ?? String(value);
  return written.length > 60 ? `${written.slice(0, 60)}…` : written;
}
