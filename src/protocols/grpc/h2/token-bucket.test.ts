import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TokenBucket } from './token-bucket.ts';

describe('TokenBucket', () => {
  it('allows a burst and then so many a second, however long it was quiet before', () => {
    const bucket = new TokenBucket({ burst: 200, perSecond: 20 }, 0);
    const countAt = (nowMs: number) => {
      let count = 0;
      while (bucket.take(nowMs) && count < 10_000) count++;
      return count;
    };
    assert.equal(countAt(0), 200);
    assert.ok(countAt(1000) <= 20);
    assert.equal(countAt(1e7), 200);
  });
});
