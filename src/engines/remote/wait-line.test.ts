import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import { CancelToken } from '../../core/types.ts';
import { cancelled } from './upstream-failure.ts';
import { WaitLine } from './wait-line.ts';

describe('calls that wait for a place', () => {
  it('go in the order in which they came, one at a time', async () => {
    const line = new WaitLine(new SimulatedClock());
    const order: number[] = [];
    const waits = [1, 2, 3].map((id) => line.wait(100, undefined).then(() => order.push(id)));
    assert.equal(line.length, 3);
    line.next();
    await waits[0];
    assert.deepEqual(order, [1]);
    line.next();
    line.next();
    line.next();
    await Promise.all(waits);
    assert.deepEqual(order, [1, 2, 3]);
    assert.equal(line.length, 0);
  });

  it('leave when their time is up, when they are cancelled, and when the pool closes', async () => {
    const clock = new SimulatedClock();
    const line = new WaitLine(clock);
    const token = new CancelToken();
    const late = line.wait(10, undefined);
    const left = line.wait(100, token);
    const closed = line.wait(100, undefined);
    clock.advance(10);
    await assert.rejects(late, { kind: 'timeout' });
    token.cancel();
    await assert.rejects(left, { kind: 'cancelled' });
    assert.equal(token.onCancel, undefined);
    assert.equal(line.length, 1);
    line.failAll(cancelled());
    await assert.rejects(closed, { kind: 'cancelled' });
    line.next();
  });
});
