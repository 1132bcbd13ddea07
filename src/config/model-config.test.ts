import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../core/errors.ts';
import { modelConfigFields, modelConfigReference, parseModelConfig } from './model-config.ts';

function refusal(json: unknown): HotpathError {
  try {
    parseModelConfig(json);
  } catch (error) {
    assert.ok(error instanceof HotpathError);
    assert.equal(error.code, 'INVALID_INPUT');
    return error;
  }
  assert.fail(`accepted ${JSON.stringify(json)}`);
}

describe('parseModelConfig', () => {
  it('takes every field with a legal value and freezes the result to the ground', () => {
    const written = {
      instances: 2,
      intraOpThreads: 1,
      executionProviders: ['cuda', 'cpu'],
      fallbackToCpu: true,
      batching: 'off',
      maxBatchSize: 8,
      maxDelayMs: 0.5,
      sloMs: 100,
      runTimeoutMs: 1000,
      warmupRows: [],
      pinned: true,
      versionPolicy: { latest: 2 },
      labels: { stable: '1' },
      classNames: ['cat', 'dog'],
      nan: 'reject',
      maxQueueRows: 10,
      sessionOptions: { extra: { session: { a: '1' } } },
      engine: 'remote',
      upstream: { addresses: ['grpc://one:8001', 'http://[::1]:8000'], weights: [2, 1], retry: { attempts: 0 } },
      pipeline: { steps: [{ model: 'a', version: '2', inputs: { x: 'in' }, outputs: { y: 'out' } }], outputs: ['out'] },
      deterministic: true,
      cache: { tiers: ['memory', 'redis'], ttlMs: 1000, write: 'through', shareFlights: true, warm: { hours: 24 } },
      features: { source: 'https://features.internal', key: '/users/{entity}', ttlMs: 0 },
    };
    assert.deepEqual(Object.keys(written), Object.keys(modelConfigFields));
    const config = parseModelConfig(written);
    assert.deepEqual(config, written);
    assert.ok(Object.isFrozen(config) && Object.isFrozen(config.labels) && Object.isFrozen(config.executionProviders));
    assert.ok(Object.isFrozen((config.sessionOptions as { extra: { session: object } }).extra.session));
    written.sessionOptions.extra.session.a = '2';
    assert.deepEqual(config.sessionOptions, { extra: { session: { a: '1' } } });
  });

  it('takes false for cache, and refuses caches and features that cannot be', () => {
    assert.deepEqual(parseModelConfig({ deterministic: true, cache: false }), { deterministic: true, cache: false });
    const features = { source: 'redis', key: 'user:{entity}' };
    assert.deepEqual(parseModelConfig({ features }), { features });
    const refused: [object, string][] = [
      [{ cache: true }, 'cache'],
      [{ cache: { tiers: [] } }, 'cache.tiers'],
      [{ cache: { tiers: ['memory', 'memory'] } }, 'cache.tiers'],
      [{ cache: { shareFlights: true } }, 'cache.shareFlights'],
      [{ cache: { warm: { top: 5 } } }, 'cache.warm'],
      [{ features: { ...features, source: 'ftp://host' } }, 'features.source'],
      [{ features: { source: 'sql', key: 'SELECT 1' } }, 'features.key'],
      [{ features: { ...features, batchKey: '/users' } }, 'features.batchKey'],
      [{ features: { key: '{entity}' } }, 'features.source'],
    ];
    for (const [json, field] of refused) assert.equal(refusal(json).details?.field, field, JSON.stringify(json));
  });

  it('names the field, what was expected and what came', () => {
    const error = refusal({ instances: 'four' });
    assert.equal(error.message, 'model.json: "instances" must be an integer from 1 to 256, not "four".');
    assert.deepEqual(error.details, {
      field: 'instances',
      expected: 'integer from 1 to 256',
      received: '"four"',
    });
  });

  it('suggests the nearest field for an unknown one, and none where nothing is near', () => {
    assert.equal(
      refusal({ maxbatchsize: 3 }).message,
      'model.json: there is no field "maxbatchsize". Did you mean "maxBatchSize"?',
    );
    assert.equal(
      refusal({ inctances: 3 }).message,
      'model.json: there is no field "inctances". Did you mean "instances"?',
    );
    assert.equal(refusal({ colour: 3 }).message, 'model.json: there is no field "colour".');
  });

  it('refuses the fields every object inherits', () => {
    for (const name of ['__proto__', 'constructor', 'toString']) {
      assert.equal(refusal(JSON.parse(`{"${name}": 1}`)).details?.field, name);
    }
  });

  it('refuses what is no object', () => {
    for (const json of [null, [], 'x', 1, true]) assert.equal(refusal(json).details?.field, 'model.json');
  });

  it('refuses wrong values of each kind', () => {
    const wrong: [string, unknown][] = [
      ['instances', 0],
      ['instances', 1.5],
      ['maxDelayMs', -1],
      ['maxDelayMs', '5'],
      ['pinned', 'yes'],
      ['batching', 'on'],
      ['executionProviders', []],
      ['executionProviders', ['gpu']],
      ['warmupRows', [1, 0]],
      ['versionPolicy', 'latest'],
      ['versionPolicy', { latest: 0 }],
      ['versionPolicy', { latest: 1, all: true }],
      ['versionPolicy', ['01']],
      ['versionPolicy', []],
      ['labels', { '7': '1' }],
      ['labels', { stable: 'one' }],
      ['labels', ['1']],
      ['classNames', [1]],
      ['sessionOptions', []],
      ['pipeline', { steps: [] }],
      ['pipeline', { steps: [{ model: 'a', inputs: {}, outputs: { y: 'out' } }] }],
      ['pipeline', { steps: [{ model: 'a', inputs: { x: 1 }, outputs: { y: 'out' } }] }],
      ['pipeline', { steps: [{ model: 'a', inputs: { x: 'in' }, outputs: { y: 'out' }, name: 'b' }] }],
    ];
    for (const [field, value] of wrong) assert.equal(refusal({ [field]: value }).details?.field, field, field);
  });

  it('takes version numbers written as numbers', () => {
    assert.deepEqual(parseModelConfig({ versionPolicy: [1, '3'], labels: { stable: 3 } }), {
      versionPolicy: ['1', '3'],
      labels: { stable: '3' },
    });
  });

  it('answers any JSON with a config or with INVALID_INPUT', () => {
    const field = fc.constantFrom(...Object.keys(modelConfigFields));
    fc.assert(
      fc.property(fc.dictionary(fc.oneof(field, fc.string()), fc.jsonValue()), (json) => {
        try {
          assert.deepEqual(Object.keys(parseModelConfig(json)).sort(), Object.keys(json).sort());
        } catch (error) {
          assert.ok(error instanceof HotpathError && error.code === 'INVALID_INPUT');
        }
      }),
    );
  });
});

describe('modelConfigReference', () => {
  it('has one row per field, each with four cells', () => {
    const rows = modelConfigReference().trim().split('\n').slice(2);
    const own = rows.filter((row) => !/^\| `(upstream|cache|features)\./.test(row));
    assert.equal(own.length, Object.keys(modelConfigFields).length);
    assert.ok(rows.some((row) => row.startsWith('| `upstream.ejection.maxPercent` | integer from 0 to 100 | 50 |')));
    for (const row of rows) assert.equal(row.replaceAll('\\|', '').split('|').length, 6, row);
  });
});
