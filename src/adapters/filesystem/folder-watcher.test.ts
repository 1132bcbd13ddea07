import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import { FolderWatcher } from './folder-watcher.ts';

const settleMs = 200;
const pollMs = 10_000;

/** A folder in memory, and a watcher on it whose events and time the test controls. */
async function watched(initial: Record<string, string>, rootThere = true) {
  const folder = { root: rootThere ? 'r1' : '', models: { ...initial }, looks: 0, armed: 0, broken: false };
  const reports: string[][] = [];
  const clock = new SimulatedClock();
  let event = () => {};
  let breakDown = () => {};
  const watcher = new FolderWatcher({
    clock,
    settleMs,
    pollMs,
    look: async () => {
      folder.looks++;
      if (folder.broken) throw new Error('vanished');
      return { root: folder.root, models: new Map(Object.entries(folder.models)) };
    },
    arm: (onEvent, onBroken) => {
      if (folder.root === '') return undefined;
      folder.armed++;
      event = onEvent;
      breakDown = onBroken;
      return () => {
        event = () => {};
      };
    },
    onChange: (names) => reports.push([...names]),
  });
  const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
  const pass = async (ms: number) => {
    clock.advance(ms);
    await turn();
  };
  await turn();
  return { folder, reports, watcher, pass, event: () => event(), breakDown: () => breakDown() };
}

describe('FolderWatcher', () => {
  it('reports a change after two equal looks', async () => {
    const { folder, reports, pass, event } = await watched({ a: '1', b: '1' });
    folder.models.a = '2';
    event();
    await pass(settleMs);
    assert.deepEqual(reports, []);
    await pass(settleMs);
    assert.deepEqual(reports, [['a']]);
  });

  it('does not report a file that is still being written, however long it takes', async () => {
    const { folder, reports, pass, event } = await watched({ a: '1', b: '1' });
    folder.models.b = '2';
    for (let size = 2; size < 50; size++) {
      folder.models.a = String(size);
      event();
      await pass(settleMs);
    }
    assert.deepEqual(reports, [['b']]);
    await pass(settleMs);
    assert.deepEqual(reports, [['b'], ['a']]);
  });

  it('looks twice for a burst of a thousand events', async () => {
    const { folder, reports, pass, event } = await watched({ a: '1' });
    const before = folder.looks;
    folder.models.a = '2';
    for (let i = 0; i < 1000; i++) event();
    await pass(settleMs);
    await pass(settleMs);
    assert.deepEqual([folder.looks - before, reports], [2, [['a']]]);
  });

  it('says nothing when a change is undone before it settled', async () => {
    const { folder, reports, pass, event } = await watched({ a: '1' });
    folder.models.a = '2';
    event();
    await pass(settleMs);
    folder.models.a = '1';
    await pass(settleMs);
    await pass(pollMs);
    assert.deepEqual(reports, []);
  });

  it('sees by polling what no event told', async () => {
    const { folder, reports, pass } = await watched({ a: '1' });
    folder.models.b = '1';
    await pass(pollMs);
    await pass(settleMs);
    assert.deepEqual(reports, [['b']]);
  });

  it('waits for a root that is missing, and watches a new root in the place of a removed one', async () => {
    const { folder, reports, pass, event } = await watched({}, false);
    assert.equal(folder.armed, 0);
    folder.root = 'r1';
    await pass(pollMs / 10);
    assert.equal(folder.armed, 1);
    folder.root = 'r2';
    folder.models.a = '1';
    event();
    await pass(settleMs);
    assert.equal(folder.armed, 2);
    await pass(settleMs);
    assert.deepEqual(reports, [['a']]);
  });

  it('goes on polling when the system watch breaks or a look fails', async () => {
    const { folder, reports, pass, breakDown } = await watched({ a: '1' });
    folder.broken = true;
    breakDown();
    await pass(settleMs);
    folder.broken = false;
    folder.models.a = '2';
    await pass(pollMs / 10);
    await pass(settleMs);
    assert.deepEqual(reports, [['a']]);
    assert.equal(folder.armed, 2);
  });

  it('is silent after stop, also when it was in the middle of a look', async () => {
    const { folder, reports, watcher, pass, event } = await watched({ a: '1' });
    folder.models.a = '2';
    event();
    await pass(settleMs);
    watcher.stop();
    const { looks } = folder;
    await pass(pollMs * 3);
    assert.deepEqual([folder.looks, reports], [looks, []]);
  });
});
