import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseRedisUrl } from './url.ts';

describe('the URL of Redis', () => {
  it('says where it is and who asks', () => {
    assert.deepEqual(parseRedisUrl('redis://localhost'), {
      address: 'localhost:6379/0',
      options: { host: 'localhost', port: 6379, db: 0 },
    });
    assert.deepEqual(parseRedisUrl('redis://app:p%40ss%2Fword@10.0.0.5:7000/12'), {
      address: '10.0.0.5:7000/12',
      options: { host: '10.0.0.5', port: 7000, db: 12, username: 'app', password: 'p@ss/word' },
    });
    assert.deepEqual(parseRedisUrl('redis://:only@[::1]:7000/'), {
      address: '[::1]:7000/0',
      options: { host: '::1', port: 7000, db: 0, password: 'only' },
    });
  });

  it('asks for TLS, with the name that the certificate must have', () => {
    assert.deepEqual(parseRedisUrl('rediss://cache.example.com').options.tls, { servername: 'cache.example.com' });
    assert.deepEqual(parseRedisUrl('rediss://10.0.0.5').options.tls, {});
  });

  it('is refused with a sentence that does not repeat it', () => {
    const refused = ['', 'localhost:6379', 'http://secret@host', 'redis://', 'redis://:secret@host/name'];
    for (const url of [...refused, 'redis://:secret%zz@host', 'redis://:secret@host:99999']) {
      assert.throws(
        () => parseRedisUrl(url),
        (error: Error & { code?: string }) => error.code === 'INVALID_INPUT' && !error.message.includes('secret'),
        url,
      );
    }
  });
});
