import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { isEntity } from '../../core/features/entity.ts';
import type { FeaturesConfig } from '../../ports/feature-source.ts';
import { httpFeatures, urlOf } from './http-features.ts';

const base = new URL('http://features.internal:8080/api/');
const entity = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 20 }),
    fc.string({ unit: fc.constantFrom('.', '/', '\\', '?', '#', '%', '@', ':', ' ', ';', '&', '2', 'e', 'a') }),
  )
  .filter(isEntity);

describe('the path of an entity', () => {
  it('keeps host, number of segments and query whatever the entity is called', () => {
    fc.assert(
      fc.property(entity, (name) => {
        const url = urlOf(base, `/users/${encodeURIComponent(name)}/row?full=1`);
        if (url === undefined) {
          assert.match(name, /^\.{1,2}$/);
          return;
        }
        assert.equal(url.host, base.host);
        assert.equal(url.search, '?full=1');
        assert.equal(url.hash, '');
        assert.equal(url.username, '');
        const segments = url.pathname.split('/');
        assert.deepEqual([segments.length, segments[1], segments[2], segments[4]], [5, 'api', 'users', 'row']);
        assert.equal(decodeURIComponent(segments[3]!), name);
      }),
      { numRuns: 2000 },
    );
  });

  it('is what the client is asked for', async () => {
    const asked: string[] = [];
    const client = {
      getJson: async (url: URL) => {
        asked.push(url.href);
        return { a: 1 };
      },
    };
    const source = httpFeatures({ source: base.href, key: '/u/{entity}' }, client);
    await source.fetchMany(['user:42', '$&', 'ä']);
    const root = 'http://features.internal:8080/api/u/';
    assert.deepEqual(asked, [`${root}user%3A42`, `${root}%24%26`, `${root}%C3%A4`]);
  });
});

describe('the configuration', () => {
  const client = { getJson: async () => ({}) };
  const make = (config: Partial<FeaturesConfig>) => () =>
    httpFeatures({ source: 'http://a.test', key: '/{entity}', ...config }, client);

  it('must have paths', () => {
    assert.throws(make({ key: 'users/{entity}' }), /features\.key: expected a path that begins with \//);
    assert.throws(make({ key: '/a b/{entity}' }), /features\.key: expected/);
    assert.throws(make({ key: '/../{entity}' }), /features\.key: expected/);
    assert.throws(make({ key: '/{entity}#x' }), /features\.key: expected/);
    assert.throws(make({ batchKey: '@evil/{entities}' }), /features\.batchKey: expected/);
  });

  it('must have a plain URL', () => {
    assert.throws(make({ source: 'http://a.test/?x=1' }), /features\.source: expected a URL without \? and #/);
  });
});
