/**
 * The parsed body of a predict request, field by field: what may stand there, of which type, and which of `features`,
 * `instances` and `inputs` the route takes. Tensors are left alone until the model is known.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Priority } from '../../core/types.ts';
import { isObject } from '../codecs/read-row.ts';
import { describeValue, listNames, quote } from '../codecs/value-text.ts';
import { type EntityField, joinEntities, takeEntities } from './predict-entities.ts';

export type PayloadKind = 'features' | 'instances' | 'inputs';

/** Fields are filled in as they are found; undefined means not given. */
export interface PredictBody {
  kind: PayloadKind;
  payload: unknown;
  model: string | undefined;
  version: string | undefined;
  outputs: readonly string[] | undefined;
  timeoutMs: number | undefined;
  priority: Priority | undefined;
  batching: 'off' | undefined;
  /** False leaves class names out of the answer. */
  labels: boolean;
  /** One per row, whose features are fetched; the payload then has the request's own, or is undefined. */
  entities: readonly string[] | undefined;
}

/** Longest deadline a client may ask for: an hour. */
export const maxTimeoutMs = 3_600_000;

const bodyFields = [
  'features',
  'instances',
  'inputs',
  'entity',
  'entities',
  'model',
  'version',
  'outputs',
  'options',
] as const;
const optionFields = ['timeoutMs', 'priority', 'batching', 'outputs', 'labels'] as const;

/** @throws INVALID_INPUT naming the field. */
export function readPredictBody(value: unknown, kinds: readonly PayloadKind[], maxInputs: number): PredictBody {
  if (!isObject(value)) {
    const received = describeValue(value);
    throw invalidInput(
      'body',
      `The body must be an object with ${listNames(kinds)}, got ${received}.`,
      'an object',
      received,
    );
  }
  const body = emptyBody(kinds[0]!);
  let payloads = 0;
  let entityField: EntityField | undefined;
  for (const name in value) {
    const field = value[name];
    switch (name) {
      case 'features':
      case 'instances':
      case 'inputs':
        if (!kinds.includes(name)) throw wrongKind(name, kinds);
        if (name === 'inputs') limitNames(name, field, maxInputs);
        body.kind = name;
        body.payload = field;
        payloads++;
        break;
      case 'entity':
      case 'entities':
        entityField = takeEntities(body, name, field, entityField);
        break;
      case 'model':
        body.model = readText('model', field);
        break;
      case 'version':
        body.version = typeof field === 'number' ? String(field) : readText('version', field);
        break;
      case 'outputs':
        body.outputs = readNames('outputs', field, maxInputs);
        break;
      case 'options':
        readOptions(body, field, maxInputs);
        break;
      default:
        throw invalidInput(name.slice(0, 100), `Unknown field ${quote(name)}; expected: ${listNames(bodyFields)}.`);
    }
  }
  if (entityField !== undefined) joinEntities(body, entityField, payloads, kinds);
  else if (payloads !== 1) throw wrongPayloads(payloads, kinds);
  return body;
}

export function emptyBody(kind: PayloadKind, payload?: unknown): PredictBody {
  return {
    kind,
    payload,
    model: undefined,
    version: undefined,
    outputs: undefined,
    timeoutMs: undefined,
    priority: undefined,
    batching: undefined,
    labels: true,
    entities: undefined,
  };
}

function readOptions(body: PredictBody, options: unknown, maxInputs: number): void {
  if (!isObject(options)) throw wrong('options', 'an object', options);
  for (const name in options) {
    const value = options[name];
    switch (name) {
      case 'timeoutMs':
        body.timeoutMs = readTimeout('options.timeoutMs', value);
        break;
      case 'priority':
        body.priority = readPriority('options.priority', value);
        break;
      case 'batching':
        if (value !== 'off' && value !== 'auto') throw wrong('options.batching', '"off" or "auto"', value);
        body.batching = value === 'off' ? 'off' : undefined;
        break;
      case 'outputs':
        body.outputs = readNames('options.outputs', value, maxInputs);
        break;
      case 'labels':
        if (typeof value !== 'boolean') throw wrong('options.labels', 'true or false', value);
        body.labels = value;
        break;
      default:
        throw invalidInput(
          `options.${name.slice(0, 100)}`,
          `Unknown option ${quote(name)}; expected: ${listNames(optionFields)}.`,
        );
    }
  }
}

/** @throws INVALID_INPUT unless it is above 0 and at most an hour. */
export function readTimeout(field: string, value: unknown): number {
  if (typeof value === 'number' && value > 0 && value <= maxTimeoutMs) return value;
  throw wrong(field, `milliseconds above 0 and at most ${maxTimeoutMs}`, value);
}

export function readPriority(field: string, value: unknown): Priority {
  if (value === 0 || value === 1 || value === 2 || value === 3) return value;
  throw wrong(field, '0, 1, 2 or 3', value);
}

/** Distinct output names, at least one. */
export function readNames(field: string, value: unknown, maxNames: number): readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > maxNames) {
    throw wrong(field, `a list of 1 to ${maxNames} output names`, value);
  }
  const seen = new Set<string>();
  for (const [index, name] of value.entries()) {
    if (typeof name !== 'string') throw wrong(`${field}[${index}]`, 'an output name', name);
    if (seen.has(name)) throw wrong(`${field}[${index}]`, 'each output once', name);
    seen.add(name);
  }
  return value;
}

/** @throws INVALID_INPUT when `value` is an object of more than `maxInputs` names. */
export function limitNames(field: PayloadKind, value: unknown, maxInputs: number): void {
  if (!isObject(value)) return;
  let count = 0;
  for (const _ in value) count++;
  if (count <= maxInputs) return;
  const expected = `at most ${maxInputs} inputs`;
  throw invalidInput(field, `${field}: expected ${expected}, got ${count}`, expected, String(count));
}

function readText(field: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw wrong(field, 'a non-empty string', value);
}

function wrong(field: string, expected: string, value: unknown): Error {
  const received = describeValue(value);
  return invalidInput(field, `${field}: expected ${expected}, got ${received}`, expected, received);
}

function wrongKind(name: PayloadKind, kinds: readonly PayloadKind[]): Error {
  const route = name === 'instances' ? '; rows go to /api/v1/predict/batch' : '';
  return invalidInput(
    name,
    `${quote(name)} is not taken here; expected ${listNames(kinds)}${route}.`,
    kinds.join(' or '),
    name,
  );
}

function wrongPayloads(count: number, kinds: readonly PayloadKind[]): Error {
  const expected = kinds.length === 1 ? listNames(kinds) : `exactly one of ${listNames(kinds)}`;
  const received = count === 0 ? 'none' : String(count);
  return invalidInput(kinds[0]!, `The body must have ${expected}, got ${received}.`, expected, received);
}
