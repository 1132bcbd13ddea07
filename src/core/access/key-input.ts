/** The body of POST /admin/keys, and the flags of `hotpath keys create`, checked field by field. Pure. */
import type { CallerLimits } from '../../ports/access.ts';
import { invalidInput } from '../errors.ts';
import type { KeyInput } from './api-key.ts';
import { isRole, roles } from './role.ts';

const fields = ['name', 'role', 'models', 'limits', 'expiresInSeconds'];
const limitFields = ['requestsPerSecond', 'burst', 'requestsPerDay', 'concurrency'] as const;
const maxExpirySeconds = 100 * 366 * 86_400;

/**
 * @param body `{name, role, models?, limits?: {requestsPerSecond?, burst?, requestsPerDay?, concurrency?}, expiresInSeconds?}`
 * @throws INVALID_INPUT naming the field.
 */
export function parseKeyInput(body: unknown, nowMs: number): KeyInput {
  const input = objectOf(body, 'body', fields);
  const { name, role, models, expiresInSeconds } = input;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is refused.
  if (typeof name !== 'string' || name === '' || name.length > 200 || /[\u0000-\u001f\u007f]/.test(name)) {
    throw expected('name', 'text of 1 to 200 characters without control characters');
  }
  if (!isRole(role)) throw expected('role', `one of ${roles.join(', ')}`);
  if (expiresInSeconds !== undefined && !isNumber(expiresInSeconds, 1, maxExpirySeconds)) {
    throw expected('expiresInSeconds', 'a number of seconds from 1');
  }
  return {
    name,
    role,
    models: parseModels(models),
    limits: parseLimits(input.limits),
    expiresMs: expiresInSeconds === undefined ? undefined : nowMs + Math.round(expiresInSeconds * 1000),
  };
}

function parseModels(models: unknown): readonly string[] | undefined {
  if (models === undefined) return undefined;
  const isPattern = (value: unknown) => typeof value === 'string' && value !== '' && value.length <= 256;
  if (!Array.isArray(models) || models.length === 0 || models.length > 100 || !models.every(isPattern)) {
    throw expected('models', 'a list of 1 to 100 model names, which may hold *');
  }
  return models as readonly string[];
}

function parseLimits(value: unknown): CallerLimits {
  if (value === undefined) return {};
  const limits = objectOf(value, 'limits', limitFields);
  for (const name of limitFields) {
    const limit = limits[name];
    const isWhole = name === 'requestsPerSecond' || Number.isSafeInteger(limit);
    if (limit !== undefined && !(isNumber(limit, name === 'requestsPerSecond' ? 0.001 : 1, 2 ** 53) && isWhole)) {
      throw expected(`limits.${name}`, name === 'requestsPerSecond' ? 'a number from 0.001' : 'a whole number from 1');
    }
  }
  return limits as CallerLimits;
}

function objectOf(value: unknown, field: string, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw expected(field, 'an object');
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  const path = field === 'body' ? unknown : `${field}.${unknown}`;
  if (unknown !== undefined) throw invalidInput(path!, `"${path}" is unknown. Known are ${known.join(', ')}.`);
  return value as Readonly<Record<string, unknown>>;
}

function isNumber(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && value >= min && value <= max;
}

function expected(field: string, what: string): Error {
  return invalidInput(field, `"${field}" must be ${what}.`, what);
}
