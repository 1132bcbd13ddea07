import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import { ReceiveWatch } from './receive-watch.ts';

describe('ReceiveWatch', () => {
  const callAt = (startMs: number, ended: number[]) => ({ startMs, abort: () => void ended.push(startMs) });

  it('ends each call when its own time is over, and none that has its message', () => {
    const clock = new SimulatedClock();
    const watch = new ReceiveWatch(100, clock);
    const ended: number[] = [];
    const first = callAt(0, ended);
    watch.add(first);
    clock.advance(40);
    const second = callAt(40, ended);
    watch.add(second);
    clock.advance(30);
    watch.add(callAt(70, ended));
    watch.delete(second);
    clock.advance(29);
    assert.deepEqual(ended, []);
    clock.advance(1);
    assert.deepEqual(ended, [0]);
    clock.advance(60);
    assert.deepEqual(ended, [0]);
    clock.advance(10);
    assert.deepEqual(ended, [0, 70]);
    watch.add(callAt(170, ended));
    clock.advance(100);
    assert.deepEqual(ended, [0, 70, 170]);
  });

  it('ends nothing with a limit of 0', () => {
    const clock = new SimulatedClock();
    const ended: number[] = [];
    new ReceiveWatch(0, clock).add(callAt(0, ended));
    clock.advance(1e9);
    assert.deepEqual(ended, []);
  });
});
