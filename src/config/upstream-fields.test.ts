import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { HotpathError } from '../core/errors.ts';
import { parseModelConfig } from './model-config.ts';

function refusal(json: unknown): HotpathError {
  try {
    parseModelConfig(json);
  } catch (error) {
    assert.ok(error instanceof HotpathError && error.code === 'INVALID_INPUT');
    return error;
  }
  assert.fail(`accepted ${JSON.stringify(json)}`);
}

const remote = (upstream: unknown) => ({ engine: 'remote', upstream });

describe('upstream in model.json', () => {
  it('takes all four address schemes, IPv6 and no port, and freezes all of it', () => {
    const addresses = ['grpc://a:1', 'grpcs://b', 'http://127.0.0.1:8000', 'https://[::1]:443'];
    const config = parseModelConfig(remote({ addresses, breaker: { openMs: 10 } }));
    assert.deepEqual(config.upstream, { addresses, breaker: { openMs: 10 } });
    assert.ok(Object.isFrozen(config.upstream?.breaker));
  });

  it('refuses addresses with another scheme, a path, a query, a user or no host', () => {
    const wrong = [
      'a:8001',
      'ftp://a',
      'grpc://',
      'http://a/v2',
      'grpc://a?b',
      'http://me@a',
      'grpc:// a',
      '',
      'toString',
    ];
    for (const address of wrong) {
      assert.equal(refusal(remote({ addresses: [address] })).details?.field, 'upstream.addresses', address);
    }
    assert.equal(refusal(remote({ addresses: [] })).details?.field, 'upstream.addresses');
  });

  it('names nested fields by their path', () => {
    const addresses = ['grpc://a'];
    assert.equal(
      refusal(remote({ addresses, ejection: { maxPercent: 101 } })).message,
      'model.json: "upstream.ejection.maxPercent" must be an integer from 0 to 100, not 101.',
    );
    assert.equal(
      refusal(remote({ addresses, breaker: { openms: 1 } })).message,
      'model.json: there is no field "upstream.breaker.openms". Did you mean "upstream.breaker.openMs"?',
    );
    assert.equal(refusal(remote({ addresses, retry: 1 })).details?.field, 'upstream.retry');
    assert.equal(refusal(remote('grpc://a')).details?.field, 'upstream');
  });

  it('needs engine and upstream together, addresses, a weight per address, and min up to max', () => {
    assert.equal(refusal({ engine: 'remote' }).details?.field, 'upstream');
    assert.equal(refusal({ upstream: { addresses: ['grpc://a'] } }).details?.field, 'engine');
    assert.equal(refusal(remote({})).details?.field, 'upstream.addresses');
    assert.equal(refusal(remote({ addresses: ['grpc://a'], weights: [1, 2] })).details?.field, 'upstream.weights');
    const connectionsPerAddress = { min: 3, max: 2 };
    const error = refusal(remote({ addresses: ['grpc://a'], connectionsPerAddress }));
    assert.equal(error.details?.field, 'upstream.connectionsPerAddress.min');
  });
});
