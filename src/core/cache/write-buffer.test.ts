import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SimulatedClock } from '../simulated-clock.ts';
import { CountingTelemetry, FakeStore, settle } from '../testing/cache-world.ts';
import { writeBehind } from './cache-settings.ts';
import { GuardedStore } from './guarded-store.ts';
import { WriteBuffer } from './write-buffer.ts';

function setUp() {
  const clock = new SimulatedClock();
  const store = new FakeStore('redis', clock);
  const guarded = new GuardedStore(store, clock, 25);
  const telemetry = new CountingTelemetry();
  const buffer = new WriteBuffer(clock);
  const add = (index: number, size = 4) =>
    buffer.add({
      store: guarded,
      telemetry,
      wanted: () => true,
      entry: { key: `k${index}`, value: new Uint8Array(size), ttlMs: 1000 },
    });
  return { clock, store, telemetry, buffer, add };
}

test('a store that hangs fills the buffer to its limit and no further; what does not fit is counted', async () => {
  const { clock, store, telemetry, buffer, add } = setUp();
  store.mood = 'hangs';
  const { maxEntries, batch } = writeBehind;
  for (let index = 0; index < maxEntries + batch + 10; index++) add(index);
  assert.deepEqual(buffer.status(), { entries: maxEntries, bytes: 4 * maxEntries, dropped: 10 });
  assert.equal(telemetry.tiers.filter((line) => line === 'redis write skipped').length, 10);
  const flushed = buffer.flush();
  for (let turn = 0; turn < 10; turn++) {
    await settle(clock);
    clock.advance(5000);
  }
  await flushed;
  assert.deepEqual([buffer.status().entries, buffer.status().bytes], [0, 0]);
});

test('bytes are a limit too', () => {
  const { buffer, add } = setUp();
  add(0, writeBehind.maxBytes);
  add(1, 1);
  assert.equal(buffer.status().dropped, 1);
});

test('what comes while a batch is written goes with the next', async () => {
  const { clock, store, buffer, add } = setUp();
  add(0);
  clock.advance(50);
  add(1);
  await settle(clock);
  await buffer.flush();
  assert.deepEqual(
    store.writes.map((entries) => entries.map(({ key }) => key)),
    [['k0'], ['k1']],
  );
});
