import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from './core/simulated-clock.ts';
import { watchMemory } from './server-memory-watch.ts';

function setUp() {
  const clock = new SimulatedClock();
  const state = { rss: 0, cached: 0, relieved: 0 };
  const warnings: string[] = [];
  const nothing = () => {};
  const stop = watchMemory({
    clock,
    logger: { debug: nothing, info: nothing, error: nothing, warn: (_, message) => void warnings.push(message) },
    limitBytes: 1000,
    rssBytes: () => state.rss,
    relieve: () => {
      state.relieved++;
      const freed = state.cached;
      state.cached = 0;
      return freed;
    },
  });
  return { clock, state, warnings, stop };
}

test('entries are dropped only above 90 % of the limit, looked at every five seconds', () => {
  const { clock, state, warnings } = setUp();
  state.rss = 900;
  state.cached = 100;
  clock.advance(60_000);
  assert.deepEqual([state.relieved, warnings], [0, []]);
  state.rss = 901;
  clock.advance(4999);
  assert.equal(state.relieved, 0);
  clock.advance(1);
  assert.deepEqual([state.relieved, warnings], [1, ['memory is short: cached entries were dropped']]);
});

test('a lasting shortage with nothing left to drop is told once, and again after it was over', () => {
  const { clock, state, warnings } = setUp();
  state.rss = 950;
  clock.advance(60_000);
  assert.deepEqual([state.relieved, warnings.length], [12, 1]);
  state.rss = 100;
  clock.advance(5000);
  state.rss = 950;
  clock.advance(10_000);
  assert.equal(warnings.length, 2);
});

test('it stops', () => {
  const { clock, state, stop } = setUp();
  state.rss = 999;
  clock.advance(5000);
  stop();
  clock.advance(60_000);
  assert.equal(state.relieved, 1);
});
