import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineSpec } from '../../ports/engine.ts';
import type { UpstreamConfig } from '../../ports/upstream-config.ts';
import { upstreamSettings } from './upstream-settings.ts';

function settingsOf(upstream: UpstreamConfig) {
  const spec: EngineSpec = {
    name: 'here',
    version: '3',
    path: '',
    digest: '',
    executionProviders: ['cpu'],
    fallbackToCpu: false,
    instances: 1,
    intraOpThreads: 1,
    runTimeoutMs: 1234,
    upstream,
  };
  return upstreamSettings(spec);
}

describe('settings of an upstream', () => {
  it('reads addresses, with the usual ports where none is written', () => {
    const written = [
      'grpc://a',
      'grpc://a:1',
      'grpcs://a',
      'http://a',
      'http://a:80',
      'https://[::1]',
      'http://[::1]:9/',
    ];
    const { addresses } = settingsOf({ addresses: written });
    assert.deepEqual(
      addresses.map(({ protocol, secure, hostname, port }) => [protocol, secure, hostname, port]),
      [
        ['grpc', false, 'a', 8001],
        ['grpc', false, 'a', 1],
        ['grpc', true, 'a', 443],
        ['rest', false, 'a', 8000],
        ['rest', false, 'a', 80],
        ['rest', true, '::1', 443],
        ['rest', false, '::1', 9],
      ],
    );
  });

  it('asks for the model by its own name and leaves the version to the upstream, unless told otherwise', () => {
    const own = settingsOf({ addresses: ['grpc://a'] });
    assert.deepEqual([own.model, own.version, own.timeoutMs], ['here', '', 1234]);
    const told = settingsOf({ addresses: ['grpc://a'], model: 'there', version: '7', timeoutMs: 5 });
    assert.deepEqual([told.model, told.version, told.timeoutMs], ['there', '7', 5]);
  });

  it('gives each address its weight', () => {
    const { addresses } = settingsOf({ addresses: ['grpc://a', 'grpc://b'], weights: [3, 0] });
    assert.deepEqual(
      addresses.map(({ weight }) => weight),
      [3, 0],
    );
  });
});
