/** The fields of admin bodies, read one by one. Called by cache-requests.ts and task-requests.ts. Every complaint names its field. */
import { invalidInput } from '../../core/errors.ts';
import { isObject } from '../codecs/read-row.ts';
import { describeValue, listNames, quote } from '../codecs/value-text.ts';

const maxNameLength = 256;

/** @throws INVALID_INPUT for anything but an object of these. */
export function readFields<Name extends string>(
  body: unknown,
  names: readonly Name[],
): { readonly [key in Name]?: unknown } {
  if (!isObject(body)) throw wrong('body', 'a JSON object', body);
  for (const name of Object.keys(body)) {
    if ((names as readonly string[]).includes(name)) continue;
    throw invalidInput(name.slice(0, 100), `Unknown field ${quote(name)}; expected: ${listNames(names)}.`);
  }
  return body as { readonly [key in Name]?: unknown };
}

export function readName(field: string, value: unknown, expected: string): string {
  if (typeof value === 'string' && value !== '' && value.length <= maxNameLength) return value;
  throw wrong(field, expected, value);
}

export function readVersion(value: unknown): string | undefined {
  if (value === undefined) return undefined;
  return typeof value === 'number' ? String(value) : readName('version', value, 'a version or a label');
}

export function readNumber(field: string, value: unknown, min: number, max: number): number {
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw wrong(field, `a number from ${min} to ${max}`, value);
}

export function wrong(field: string, expected: string, value: unknown): Error {
  const received = describeValue(value);
  return invalidInput(field, `${field}: expected ${expected}, got ${received}`, expected, received);
}
