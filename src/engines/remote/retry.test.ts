import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { adviseRetry, budgetMs } from './retry.ts';

const config = { attempts: 1, afterConnectionLost: true };

describe('retries', () => {
  it('repeats elsewhere what an address did not take, and anywhere what a connection lost', () => {
    for (const kind of ['unreachable', 'unavailable', 'overloaded'] as const) {
      assert.equal(adviseRetry(kind, 1, config), 'elsewhere', kind);
    }
    for (const kind of ['unprocessed', 'lost'] as const) assert.equal(adviseRetry(kind, 1, config), 'anywhere', kind);
  });

  it('never repeats what was answered, ran out of time or was given up', () => {
    for (const kind of ['timeout', 'refused', 'broken', 'cancelled'] as const) {
      assert.equal(adviseRetry(kind, 1, { ...config, attempts: 5 }), 'no', kind);
    }
  });

  it('makes as many further attempts as configured', () => {
    assert.equal(adviseRetry('lost', 2, config), 'no');
    assert.equal(adviseRetry('lost', 1, { ...config, attempts: 0 }), 'no');
    assert.equal(adviseRetry('lost', 3, { ...config, attempts: 3 }), 'anywhere');
  });

  it('leaves calls that may have been processed alone when told so', () => {
    const careful = { ...config, afterConnectionLost: false };
    assert.equal(adviseRetry('lost', 1, careful), 'no');
    assert.equal(adviseRetry('unprocessed', 1, careful), 'anywhere');
  });

  it('gives an attempt what is left of the deadline, at most the limit of a call', () => {
    assert.equal(budgetMs(1000, 1200, 500), 200);
    assert.equal(budgetMs(1000, 9000, 500), 500);
    assert.equal(budgetMs(1000, undefined, 500), 500);
    assert.ok(budgetMs(1000, 900, 500) <= 0);
  });
});
