import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Breaker } from './breaker.ts';

const config = { failures: 3, openMs: 100 };

function opened(): Breaker {
  const breaker = new Breaker(config);
  for (let count = 0; count < 3; count++) breaker.fail(0);
  return breaker;
}

describe('circuit breaker', () => {
  it('opens after failures in a row, not before, and not when a success lies between', () => {
    const breaker = new Breaker(config);
    breaker.fail(0);
    breaker.fail(0);
    breaker.succeed();
    breaker.fail(0);
    breaker.fail(0);
    assert.equal(breaker.state(0), 'closed');
    breaker.fail(0);
    assert.equal(breaker.state(0), 'open');
    assert.equal(breaker.allows(99), false);
  });

  it('lets one call through when the time is up, and closes when that succeeds', () => {
    const breaker = opened();
    assert.equal(breaker.state(100), 'half-open');
    assert.equal(breaker.allows(100), true);
    breaker.begin(100);
    assert.equal(breaker.allows(100), false);
    breaker.succeed();
    assert.equal(breaker.state(100), 'closed');
    assert.equal(breaker.allows(100), true);
  });

  it('opens again for as long when that one call fails', () => {
    const breaker = opened();
    breaker.begin(100);
    breaker.fail(110);
    assert.equal(breaker.state(209), 'open');
    assert.equal(breaker.state(210), 'half-open');
    assert.equal(breaker.allows(210), true);
  });

  it('lets the next one try when the trying one was cancelled', () => {
    const breaker = opened();
    breaker.begin(100);
    breaker.abandon();
    assert.equal(breaker.allows(100), true);
  });

  it('is not held open by late failures of calls sent before', () => {
    const breaker = opened();
    breaker.fail(99);
    assert.equal(breaker.state(100), 'half-open');
  });

  it('never refuses for longer than openMs after the last event, whatever happens', () => {
    const step = fc.record({ wait: fc.nat(60), act: fc.constantFrom('succeed', 'fail', 'abandon') });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const breaker = new Breaker(config);
        let nowMs = 0;
        for (const { wait, act } of steps) {
          nowMs += wait;
          if (!breaker.allows(nowMs)) continue;
          breaker.begin(nowMs);
          breaker[act](nowMs);
        }
        assert.ok(breaker.allows(nowMs + config.openMs));
      }),
    );
  });
});
