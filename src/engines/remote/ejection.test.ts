import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Ejection } from './ejection.ts';

const config = { failures: 2, baseMs: 10, maxMs: 25, maxPercent: 50 };

describe('outlier ejection', () => {
  it('ejects after failures in a row and lets it come back by itself', () => {
    const ejection = new Ejection(config, 2);
    assert.equal(ejection.fail(0, 0), false);
    ejection.succeed(0);
    assert.equal(ejection.fail(0, 0), false);
    assert.equal(ejection.fail(0, 5), true);
    assert.equal(ejection.ejectedUntilMs(0, 5), 15);
    assert.equal(ejection.isEjected(1, 5), false);
    assert.equal(ejection.isEjected(0, 15), false);
    assert.equal(ejection.ejectedUntilMs(0, 15), undefined);
  });

  it('stays away for longer each time, up to a limit, and less again after answers', () => {
    const ejection = new Ejection(config, 2);
    const eject = (nowMs: number): number => {
      ejection.fail(0, nowMs);
      ejection.fail(0, nowMs);
      return ejection.ejectedUntilMs(0, nowMs)! - nowMs;
    };
    assert.deepEqual([eject(0), eject(100), eject(200), eject(300)], [10, 20, 25, 25]);
    for (let count = 0; count < 3; count++) ejection.succeed(0);
    assert.equal(eject(400), 10);
  });

  it('never ejects the only address, nor any with 0 failures configured', () => {
    const alone = new Ejection({ ...config, maxPercent: 100 }, 1);
    const off = new Ejection({ ...config, failures: 0 }, 2);
    for (let count = 0; count < 9; count++) {
      assert.equal(alone.fail(0, count), false);
      assert.equal(off.fail(0, count), false);
    }
  });

  it('never ejects more than the share allowed, and always leaves one', () => {
    const world = fc.record({
      count: fc.integer({ min: 1, max: 8 }),
      maxPercent: fc.integer({ min: 0, max: 100 }),
      events: fc.array(fc.record({ index: fc.nat(7), wait: fc.nat(4), ok: fc.boolean() }), { maxLength: 80 }),
    });
    fc.assert(
      fc.property(world, ({ count, maxPercent, events }) => {
        const ejection = new Ejection({ ...config, maxPercent }, count);
        let nowMs = 0;
        for (const { index, wait, ok } of events) {
          nowMs += wait;
          if (ok) ejection.succeed(index % count);
          else ejection.fail(index % count, nowMs);
          const ejected = Array.from({ length: count }, (_, at) => ejection.isEjected(at, nowMs)).filter(
            Boolean,
          ).length;
          assert.ok(ejected * 100 <= count * maxPercent && ejected < count);
        }
      }),
    );
  });
});
