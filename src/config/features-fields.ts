/** The table of `features` in model.json: field, limits, help, as model-config.ts has them for the rest. It checks data only. */
import { invalidInput } from '../core/errors.ts';
import type { FeaturesConfig } from '../ports/feature-source.ts';
import type { ModelConfig } from '../ports/model-source.ts';
import { tiers } from './cache-fields.ts';
import { type Fields, integer, invalid, type Kind, text } from './model-config-fields.ts';

const schemes = ['http:', 'https:', 'redis:', 'rediss:', 'postgres:', 'postgresql:', 'sqlite:'];

const source: Kind<string> = {
  type: 'redis, sql, or a URL that begins with http://, https://, redis://, rediss://, postgres:// or sqlite:',
  check: (value) => (typeof value === 'string' && isSource(value) ? value : invalid),
};

function isSource(value: string): boolean {
  if (value === 'redis' || value === 'sql') return true;
  const url = URL.parse(value);
  return url !== null && schemes.includes(url.protocol);
}

export const featuresFields: Fields<FeaturesConfig> = {
  source: { ...source, fallback: 'required', help: 'Who knows the features. redis and sql are the server’s own.' },
  key: {
    ...text,
    fallback: 'required',
    help: 'Where an entity lies, with {entity}: an HTTP path, a Redis key (hash or JSON), or a SELECT whose columns are the features.',
  },
  batchKey: {
    ...text,
    fallback: 'none: one call per entity',
    help: 'The same for many, with {entities}: an HTTP path that answers an object by entity, or a SELECT ... IN ({entities}) with a column "entity".',
  },
  ttlMs: { ...integer(0, 2_000_000_000), fallback: '60000', help: 'How long features are remembered.' },
  negativeTtlMs: { ...integer(0, 2_000_000_000), fallback: '5000', help: 'How long an entity stays unknown.' },
  timeoutMs: { ...integer(1, 600_000), fallback: '500', help: 'Longest wait for the source.' },
  tiers: { ...tiers, fallback: '["memory"]', help: 'Where features are remembered.' },
};

/** @throws INVALID_INPUT when a field is missing or contradicts another. */
export function checkFeatures({ features }: ModelConfig): void {
  if (features === undefined) return;
  const { source: from, key, batchKey } = features;
  if (from === undefined) throw missing('source');
  if (key === undefined || !key.includes('{entity}')) throw missing('key', 'text with {entity}');
  if (batchKey !== undefined && !batchKey.includes('{entities}')) throw missing('batchKey', 'text with {entities}');
}

function missing(field: string, expected = 'text'): Error {
  const path = `features.${field}`;
  return invalidInput(path, `model.json: "${path}" must be ${expected}.`, expected);
}
