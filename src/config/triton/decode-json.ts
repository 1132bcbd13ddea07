/**
 * Checks the JSON form of a message against the table of fields, by protobuf's rules for JSON, and makes the same plain object of
 * it that decode-message.ts makes of text. Called by to-model-config.ts. Every refusal names the field by its path (`input[0].dims`)
 * and what was expected; it never changes what it is given.
 */
import { didYouMean } from '../suggest.ts';
import { decodeLeaf } from './decode-leaf.ts';
import { misplacedBeside, unknownField } from './field-problems.ts';
import type { DecodedMessage, EnumType, Field, FieldType, Leaf, MessageType } from './schema-types.ts';
import { excerpt } from './text-error.ts';
import { specialFloat, type TextValue } from './text-format.ts';

/** What is wrong, as a sentence that begins with the field's path or names it. */
export class JsonFormError extends Error {
  readonly field: string;

  constructor(field: string, reason: string) {
    super(reason);
    this.name = 'JsonFormError';
    this.field = field;
  }
}

/**
 * Fields go by their names of the .proto file or in lowerCamelCase; null and an empty list or map are absent; numbers may be
 * strings and enums numbers.
 * @throws JsonFormError
 */
export function decodeJson<M extends MessageType>(json: unknown, type: M): DecodedMessage<M> {
  return decodeMessage(json, type, '') as DecodedMessage<M>;
}

function decodeMessage(json: unknown, type: MessageType, path: string): object {
  if (!isPlainObject(json)) throw wrong(path === '' ? 'the configuration' : path, 'an object', json);
  const found = new Map<string, unknown>();
  for (const [written, value] of Object.entries(json)) {
    const name = fieldNames(type).get(written);
    if (name === undefined) {
      throw new JsonFormError(below(path, written), unknownField(written, type, path));
    }
    if (value === null) continue;
    const fieldPath = below(path, name);
    if (found.has(name)) throw new JsonFormError(fieldPath, `${fieldPath} is given twice, under both of its names.`);
    const rivals = type.oneofs.find((names) => names.includes(name)) ?? [];
    const rival = rivals.find((other) => found.has(other));
    if (rival !== undefined) throw new JsonFormError(fieldPath, misplacedBeside(fieldPath, rival, rivals));
    const decoded = decodeField(value, type.fields[name]!, fieldPath);
    if (decoded !== undefined) found.set(name, decoded);
  }
  return Object.fromEntries(found);
}

function decodeField(json: unknown, field: Field, path: string): unknown {
  const { type, count } = field;
  if (count === 'one') return decodeValue(json, type, path);
  if (count === 'map') return decodeMap(json, field, path);
  if (!Array.isArray(json)) throw wrong(path, 'a list', json);
  const items = json.map((item, index) => decodeValue(item, type, `${path}[${index}]`));
  return items.length === 0 ? undefined : items;
}

function decodeMap(json: unknown, { type, numericKeys = false }: Field, path: string): object | undefined {
  if (!isPlainObject(json)) throw wrong(path, 'an object of keys and values', json);
  const entries = Object.entries(json).map(([key, value]) => {
    const entryPath = `${path}[${excerpt(key)}]`;
    return [numericKeys ? decodeKey(key, entryPath) : key, decodeValue(value, type, entryPath)] as const;
  });
  return entries.length === 0 ? undefined : Object.fromEntries(entries);
}

function decodeKey(key: string, path: string): string {
  const decoded = decodeLeaf(toInteger(key) ?? { kind: 'name', offset: 0, value: key }, 'uint64');
  if ('expected' in decoded) throw new JsonFormError(path, `${path}: the key must be ${decoded.expected}.`);
  return String(decoded.value);
}

function decodeValue(json: unknown, type: FieldType, path: string): unknown {
  if (typeof type === 'object' && type.kind === 'message') return decodeMessage(json, type, path);
  const decoded = decodeLeaf(toTextValue(json, type) ?? nothing, type);
  if (!('expected' in decoded)) return decoded.value;
  const hint = typeof type === 'object' && typeof json === 'string' ? didYouMean(json.slice(0, 64), type.names) : '';
  throw wrong(path, type === 'string' ? 'a string' : decoded.expected, json, hint);
}

/** Fits no leaf, so that decodeLeaf says what it expected. */
const nothing: TextValue = { kind: 'message', offset: 0, fields: [] };

/** What the text format would have in its place; undefined for what the JSON form does not allow. */
function toTextValue(json: unknown, type: Leaf | EnumType): TextValue | undefined {
  const offset = 0;
  if (type === 'string') return typeof json === 'string' ? { kind: 'string', offset, value: json } : undefined;
  if (type === 'bool') return typeof json === 'boolean' ? { kind: 'name', offset, value: String(json) } : undefined;
  if (typeof json === 'number') {
    return Number.isInteger(json)
      ? { kind: 'integer', offset, value: BigInt(json) }
      : { kind: 'float', offset, value: json };
  }
  if (typeof json !== 'string') return undefined;
  if (typeof type === 'object') return { kind: 'name', offset, value: json };
  return type === 'float' || type === 'double' ? toFloat(json) : toInteger(json);
}

function toInteger(text: string): TextValue | undefined {
  return /^-?\d{1,20}$/.test(text) ? { kind: 'integer', offset: 0, value: BigInt(text) } : undefined;
}

function toFloat(text: string): TextValue | undefined {
  const value = /^-?\d{1,400}(\.\d{1,400})?([eE][+-]?\d{1,4})?$/.test(text) ? Number(text) : special(text);
  return value === undefined ? undefined : { kind: 'float', offset: 0, value };
}

function special(text: string): number | undefined {
  if (!/^(NaN|-?Infinity)$/.test(text)) return undefined;
  return text.startsWith('-') ? Number.NEGATIVE_INFINITY : specialFloat(text);
}

const namesOf = new WeakMap<MessageType, ReadonlyMap<string, string>>();

/** Both names of every field -> its name of the .proto file. */
function fieldNames(type: MessageType): ReadonlyMap<string, string> {
  const known = namesOf.get(type);
  if (known !== undefined) return known;
  const pairs = Object.keys(type.fields).flatMap((name) => [
    [name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()), name] as const,
    [name, name] as const,
  ]);
  const names = new Map(pairs);
  namesOf.set(type, names);
  return names;
}

function below(path: string, name: string): string {
  const cut = name.slice(0, 64);
  return path === '' ? cut : `${path}.${cut}`;
}

function isPlainObject(json: unknown): json is Readonly<Record<string, unknown>> {
  return typeof json === 'object' && json !== null && !Array.isArray(json);
}

function wrong(path: string, expected: string, json: unknown, hint = ''): JsonFormError {
  return new JsonFormError(path, `${path} must be ${expected}, not ${shown(json)}.${hint}`);
}

function shown(json: unknown): string {
  if (Array.isArray(json)) return 'a list';
  if (isPlainObject(json)) return 'an object';
  return typeof json === 'string' ? `the string ${excerpt(json)}` : String(json);
}
