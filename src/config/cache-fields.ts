/** The table of `cache` in model.json: field, limits, help, as model-config.ts has them for the rest. It checks data only. */
import { invalidInput } from '../core/errors.ts';
import type { CacheConfig, CacheWarmConfig } from '../ports/cache-config.ts';
import type { ModelConfig } from '../ports/model-source.ts';
import { boolean, type Fields, integer, invalid, listOf, nested, number, oneOf, text } from './model-config-fields.ts';

const maxTtlMs = 2_000_000_000;

const tier = oneOf(['memory', 'redis', 'database']);
/** Also the tiers of features. */
export const tiers = listOf(tier, `list of ${tier.type}`, 1, 3);

const warmFields: Fields<CacheWarmConfig> = {
  file: {
    ...text,
    fallback: 'none',
    help: 'File in the model’s folder with one JSON body of a predict request per line.',
  },
  hours: {
    ...number(0.01, 8760),
    fallback: 'none',
    help: 'Takes the most frequent inputs of the last hours of the prediction log.',
  },
  top: { ...integer(1, 1_000_000), fallback: '1000 of the log, all of a file', help: 'Most inputs to compute.' },
};

export const cacheFields: Fields<CacheConfig> = {
  tiers: {
    ...tiers,
    fallback: '["memory"]',
    help: 'Where answers are kept, in the order they are asked. redis needs redisUrl.',
  },
  ttlMs: { ...integer(1, maxTtlMs), fallback: '3600000', help: 'How long an answer may be given.' },
  staleMs: {
    ...integer(0, maxTtlMs),
    fallback: '0',
    help: 'How much longer it may be given while it is computed anew, at low priority.',
  },
  jitter: {
    ...number(0, 1),
    fallback: '0.1',
    help: 'Each time to live is shortened by up to this share, at random, so that entries do not die together.',
  },
  write: {
    ...oneOf(['aside', 'through', 'behind']),
    fallback: '"aside"',
    help: 'When tiers beyond memory learn of an answer: right after it was sent, before it is sent, or in batches some time later.',
  },
  maxValueBytes: { ...integer(1, 2 ** 30), fallback: '1048576', help: 'Larger answers are not stored.' },
  shareFlights: {
    ...boolean,
    fallback: 'false',
    help: 'Of several servers that miss the same inputs at once, one computes and the others wait for its answer. Needs the redis tier.',
  },
  warm: { ...nested(warmFields), fallback: 'none', help: 'Fills the cache when the model is loaded.' },
};

/** The value that is no object: `false` turns off what `deterministic` turns on. */
export const cacheKind = {
  type: 'object, or false',
  check: (value: unknown) => (value === false ? (false as const) : invalid),
  fields: cacheFields,
};

/** @throws INVALID_INPUT when fields of it contradict each other. */
export function checkCache({ cache }: ModelConfig): void {
  if (cache === undefined || cache === false) return;
  const { tiers: wanted = ['memory'], shareFlights, warm } = cache;
  if (new Set(wanted).size !== wanted.length) {
    throw invalidInput('cache.tiers', 'model.json: "cache.tiers" must name each tier once.', 'each tier once');
  }
  if (shareFlights === true && !wanted.includes('redis')) {
    throw invalidInput(
      'cache.shareFlights',
      'model.json: "cache.shareFlights" needs "redis" among the tiers.',
      'redis',
    );
  }
  if (warm !== undefined && warm.file === undefined && warm.hours === undefined) {
    throw invalidInput('cache.warm', 'model.json: "cache.warm" needs "file" or "hours".', 'file or hours');
  }
}
