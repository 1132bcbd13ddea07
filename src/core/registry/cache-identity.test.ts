import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ModelConfig } from '../../ports/model-source.ts';
import { cacheIdentityOf } from './cache-identity.ts';

test('answers are cached when the model says so or is deterministic, and false turns that off', () => {
  const configOf = (config: ModelConfig) => cacheIdentityOf({ config }, 'a')?.config;
  assert.equal(configOf({}), undefined);
  assert.equal(configOf({ cache: false, deterministic: true }), undefined);
  assert.deepEqual(configOf({ deterministic: true }), {});
  assert.deepEqual(configOf({ cache: { ttlMs: 5 } }), { ttlMs: 5 });
});

test('another file, provider, session option or upstream is another content; what only changes how it is served is not', () => {
  const contentOf = (config: ModelConfig, digest = 'a') =>
    cacheIdentityOf({ config: { cache: {}, ...config } }, digest)?.content;
  const plain = contentOf({});
  const others = [
    contentOf({}, 'b'),
    contentOf({ executionProviders: ['cuda'] }),
    contentOf({ fallbackToCpu: true }),
    contentOf({ sessionOptions: { graphOptimizationLevel: 'disabled' } }),
    contentOf({ engine: 'remote', upstream: { addresses: ['grpc://one:8001'] } }),
    contentOf({ engine: 'remote', upstream: { addresses: ['grpc://two:8001'] } }),
  ];
  assert.equal(new Set([plain, ...others]).size, others.length + 1);
  assert.equal(contentOf({ sloMs: 5, instances: 2, pinned: true, cache: { ttlMs: 1 }, maxBatchSize: 4 }), plain);
});
