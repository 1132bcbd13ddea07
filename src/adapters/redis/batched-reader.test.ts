import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Clock } from '../../ports/clock.ts';
import { BatchedReader } from './batched-reader.ts';

/** Turns of the event loop by hand. */
function turns(): { readonly clock: Clock; end(): void } {
  let deferred: (() => void)[] = [];
  const clock: Clock = { now: () => 0, after: () => 0, clear() {}, defer: (run) => void deferred.push(run) };
  return {
    clock,
    end() {
      const due = deferred;
      deferred = [];
      for (const run of due) run();
    },
  };
}

describe('reads of one turn', () => {
  it('go out in few commands, and each caller gets its own values', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(fc.string(), { maxLength: 100 }), { maxLength: 30 }), async (calls) => {
        const { clock, end } = turns();
        const commands: number[] = [];
        const reader = new BatchedReader(clock, async (keys) => {
          commands.push(keys.length);
          return keys.map((key) => `value of ${key}`);
        });
        const read = Promise.all(calls.map((keys) => reader.read(keys)));
        end();
        assert.deepEqual(
          await read,
          calls.map((keys) => keys.map((key) => `value of ${key}`)),
        );
        const asked = calls.flat().length;
        assert.equal(
          commands.reduce((sum, count) => sum + count, 0),
          asked,
        );
        assert.ok(commands.length <= asked / 128 + 1, `${commands.length} commands for ${asked} keys`);
      }),
    );
  });

  it('of a later turn go out by themselves', async () => {
    const { clock, end } = turns();
    const commands: string[][] = [];
    const reader = new BatchedReader(clock, async (keys) => {
      commands.push([...keys]);
      return keys;
    });
    const first = reader.read(['a']);
    end();
    const second = reader.read(['b']);
    end();
    assert.deepEqual([await first, await second, commands], [['a'], ['b'], [['a'], ['b']]]);
  });

  it('fail together, and the next do not', async () => {
    const { clock, end } = turns();
    let fails = true;
    const reader = new BatchedReader(clock, async (keys) => {
      if (fails) throw new Error('gone');
      return keys;
    });
    const failing = Promise.allSettled([reader.read(['a']), reader.read(['b'])]);
    end();
    assert.deepEqual(
      (await failing).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    fails = false;
    const next = reader.read(['c']);
    end();
    assert.deepEqual(await next, ['c']);
  });
});
