/**
 * The query of GET /api/v1/predictions as a filter. Called by prediction-routes.ts. Every value is checked by hand, so that each
 * refusal names its parameter, and nothing a database would stumble over gets through.
 */
import { errorCodes, type HotpathError, invalidInput } from '../../core/errors.ts';
import { parsePredictionId } from '../../core/predictions/prediction-id.ts';
import type { PredictionFilter } from '../../ports/prediction-store.ts';
import { listNames, quote } from '../codecs/value-text.ts';
import { nearestOf } from './prediction-names.ts';

export interface PredictionQuery {
  readonly filter: PredictionFilter;
  readonly limit: number;
}

const names = ['model', 'version', 'status', 'from', 'to', 'limit', 'before'] as const;
type Name = (typeof names)[number];
type Values = { readonly [name in Name]?: string };

const defaultLimit = 50;
const maxLimit = 1000;
const maxNameLength = 256;
/** Beyond the range of JavaScript's dates. */
const maxUnixMs = 8.64e15;
const statuses = ['OK', 'failed', ...Object.keys(errorCodes)];
const isoTime = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(Z|[+-]\d{2}:\d{2})?)?$/i;
const zoneWithBlank = / (\d{2}:\d{2})$/;

/** `query`: as the framework read it; a name that stands there twice has a list. @throws INVALID_INPUT naming the parameter. */
export function readPredictionQuery(query: Readonly<Record<string, unknown>>): PredictionQuery {
  const values = readValues(query);
  const filter = {
    model: readName('model', values.model),
    version: readName('version', values.version),
    status: readStatus(values.status),
    fromMs: readTime('from', values.from),
    toMs: readTime('to', values.to),
    before: readId(values.before),
  };
  if (filter.fromMs !== undefined && filter.toMs !== undefined && filter.fromMs >= filter.toMs) {
    throw invalidInput('from', 'from: expected a time before "to".', 'a time before "to"');
  }
  return { filter, limit: readLimit(values.limit) };
}

function readValues(query: Readonly<Record<string, unknown>>): Values {
  const values: { [name in Name]?: string } = {};
  for (const [name, value] of Object.entries(query)) {
    if (!isName(name)) throw unknown(name);
    if (typeof value !== 'string') throw invalidInput(name, `${name}: expected one value, got several.`, 'one value');
    values[name] = value;
  }
  return values;
}

function isName(name: string): name is Name {
  return (names as readonly string[]).includes(name);
}

function unknown(name: string): HotpathError {
  const nearest = nearestOf(name, names);
  const hint = nearest === undefined ? `Known are ${listNames(names)}.` : `Did you mean ${quote(nearest)}?`;
  return invalidInput(name.slice(0, 40), `There is no parameter ${quote(name)}. ${hint}`, names.join(', '));
}

function readName(field: Name, value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const expected = `1 to ${maxNameLength} characters, none of them a control character`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for; PostgreSQL refuses U+0000
  if (value === '' || value.length > maxNameLength || /[\u0000-\u001f\u007f]/.test(value)) {
    throw refusal(field, expected, value);
  }
  return value;
}

function readStatus(value: string | undefined): string | undefined {
  if (value === undefined || statuses.includes(value)) return value;
  const nearest = nearestOf(value, statuses);
  const hint = nearest === undefined ? '' : ` Did you mean ${quote(nearest)}?`;
  const expected = 'OK, failed or an error code';
  throw invalidInput('status', `status: expected ${expected}, got ${quote(value)}.${hint}`, expected, quote(value));
}

/** Unix milliseconds, or ISO 8601; UTC where no zone is given. */
function readTime(field: 'from' | 'to', value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d{1,16}$/.test(value) && Number(value) <= maxUnixMs) return Number(value);
  // An unescaped "+" of a time zone arrives as a blank.
  const text = value.replace(zoneWithBlank, '+$1');
  const found = isoTime.exec(text);
  const isLocal = found !== null && text.length > 10 && found[1] === undefined;
  const ms = found === null ? Number.NaN : Date.parse(isLocal ? `${text}Z` : text);
  if (Number.isNaN(ms) || ms < 0) {
    throw refusal(field, 'a time such as 2026-01-31T12:00:00Z, or Unix milliseconds', value);
  }
  return ms;
}

function readLimit(value: string | undefined): number {
  if (value === undefined) return defaultLimit;
  const limit = /^\d{1,4}$/.test(value) ? Number(value) : 0;
  if (limit < 1 || limit > maxLimit) throw refusal('limit', `a whole number from 1 to ${maxLimit}`, value);
  return limit;
}

function readId(value: string | undefined): string | undefined {
  return value === undefined ? undefined : readPredictionId('before', value);
}

/** @throws INVALID_INPUT naming `field`. */
export function readPredictionId(field: string, value: string): string {
  const id = parsePredictionId(value);
  if (id === undefined) {
    throw refusal(field, 'the id of a prediction, such as 019a2b4c-5d6e-7000-8abc-0123456789ab', value);
  }
  return id;
}

function refusal(field: string, expected: string, value: string): HotpathError {
  return invalidInput(field, `${field}: expected ${expected}, got ${quote(value)}.`, expected, quote(value));
}
