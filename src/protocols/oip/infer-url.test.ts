import assert from 'node:assert/strict';
import { it } from 'node:test';
import { inferTarget } from './infer-url.ts';

it('finds model and version in infer URLs', () => {
  assert.deepEqual(inferTarget('/v2/models/iris/infer'), { model: 'iris', version: undefined });
  assert.deepEqual(inferTarget('/v2/models/a%20b/versions/stable/infer'), { model: 'a b', version: 'stable' });
  assert.deepEqual(inferTarget('/v2/models/infer/infer'), { model: 'infer', version: undefined });
});

it('leaves every other URL to the router', () => {
  for (const url of [
    '/v2/models/infer',
    '/v2/models//infer',
    '/v2/models/a/b/infer',
    '/v2/models/a/versions//infer',
    '/v2/models/a/versions/1/x/infer',
    '/v2/models/a/versions/infer',
    '/v2/models/a%/infer',
    '/v2/models/a/infer?x=1',
    '/v2/models/a?x=/infer',
    '/v2/models/a/ready',
    '/v1/models/a/infer',
  ]) {
    assert.equal(inferTarget(url), undefined, url);
  }
});
