/**
 * The parameters of a request that mean something to the server; all others are the model's and pass unread. Reserved keys are
 * checked here for every wire. Source: Triton's extensions `parameters`, `schedule_policy` and `sequence`.
 */
import { entityRule, isEntity } from '../../core/features/entity.ts';
import type { Priority } from '../../core/types.ts';
import { describeValue, quote } from '../codecs/value-text.ts';
import { expectedAt } from './field-errors.ts';
import type { OipParameters } from './request.ts';

export interface Schedule {
  /** Undefined: the default, which is also the most important. */
  readonly priority: Priority | undefined;
  /** Undefined: the model's SLO. */
  readonly timeoutMs: number | undefined;
}

export interface SequenceStep {
  readonly id: number | bigint | string;
  readonly start: boolean;
  readonly end: boolean;
}

/** Longest deadline a client may ask for, as on the native API: an hour. Longer ones are cut to it. */
const maxTimeoutMs = 3_600_000;

const defaults: Schedule = { priority: undefined, timeoutMs: undefined };

/** Sent by clients of streaming models; without a meaning for models that answer once. */
const harmless: readonly string[] = ['triton_enable_empty_final_response'];

/**
 * `priority`: 0 is the default, 1 the highest, then 2 and so on; ours are 0 (default and highest) to 3, to which 4 and more
 * map. `timeout`: microseconds, 0 for none. @throws INVALID_INPUT on a wrong type or a reserved `triton_` key.
 */
export function readSchedule(parameters: OipParameters | undefined): Schedule {
  if (parameters === undefined) return defaults;
  let priority: Priority | undefined;
  let timeoutMs: number | undefined;
  for (const name of Object.keys(parameters)) {
    const value = parameters[name]!;
    if (name === 'priority') priority = toPriority(readCount('parameters.priority', value));
    else if (name === 'timeout') timeoutMs = toTimeoutMs(readCount('parameters.timeout', value));
    else if (name.startsWith('triton_') && !harmless.includes(name)) throw reserved(name);
  }
  return { priority, timeoutMs };
}

/** Undefined when the request belongs to no sequence (`sequence_id` absent, 0 or empty). @throws INVALID_INPUT. */
export function readSequence(parameters: OipParameters | undefined): SequenceStep | undefined {
  const id = parameters?.sequence_id;
  if (id === undefined || id === '' || typeof id === 'boolean') {
    if (typeof id === 'boolean')
      throw expectedAt('parameters.sequence_id', 'an integer or a string', describeValue(id));
    return undefined;
  }
  if (typeof id !== 'string') readCount('parameters.sequence_id', id);
  const start = readFlag('parameters.sequence_start', parameters?.sequence_start, false);
  const end = readFlag('parameters.sequence_end', parameters?.sequence_end, false);
  return id === 0 || id === 0n ? undefined : { id, start, end };
}

/** The entity whose features are fetched: one, for a request of one row. Undefined: the request brings all inputs. @throws INVALID_INPUT. */
export function readEntity(parameters: OipParameters | undefined): readonly [string] | undefined {
  const entity = parameters?.entity;
  if (entity === undefined) return undefined;
  if (isEntity(entity)) return [entity];
  throw expectedAt('parameters.entity', entityRule, describeValue(entity));
}

/** A boolean parameter or its default. @throws INVALID_INPUT. */
export function readFlag(field: string, value: OipParameters[string] | undefined, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value === 'boolean') return value;
  throw expectedAt(field, 'true or false', describeValue(value));
}

/** A whole number from 0 on. @throws INVALID_INPUT. */
export function readCount(field: string, value: OipParameters[string] | undefined): number {
  const number = typeof value === 'bigint' ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0) return number;
  throw expectedAt(field, 'an integer from 0 on', describeValue(value));
}

function toPriority(level: number): Priority | undefined {
  return level === 0 ? undefined : (Math.min(level - 1, 3) as Priority);
}

function toTimeoutMs(microseconds: number): number | undefined {
  return microseconds === 0 ? undefined : Math.min(microseconds / 1000, maxTimeoutMs);
}

function reserved(name: string): Error {
  return expectedAt(
    `parameters.${name.slice(0, 100)}`,
    'no key beginning with "triton_", which are reserved',
    quote(name),
  );
}
