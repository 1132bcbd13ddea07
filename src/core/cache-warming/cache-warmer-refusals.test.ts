import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answer, finish, numbered, refusal, setUp, turn } from '../testing/warmer-world.ts';

describe('CacheWarmer', () => {
  it('steps back while the server refuses, for ever longer up to five seconds, and then leaves nothing out', async () => {
    const triedMs: number[] = [];
    const { warmer, clock } = setUp({
      items: numbered(3),
      concurrency: 1,
      infer: async () => {
        triedMs.push(clock.now());
        if (triedMs.length <= 8) throw refusal('OVERLOADED');
        return answer('miss');
      },
    });
    const { computed, failed } = await finish(warmer.run(), clock);
    assert.deepEqual([computed, failed], [3, 0]);
    const pauses = triedMs.slice(1, 9).map((at, index) => Math.round(at - triedMs[index]!));
    assert.deepEqual(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert.equal(triedMs.at(-1)! - triedMs[8]!, 0, 'after the first success the pause is over');
  });

  it('waits as long as the refusal asks, but not for ever', async () => {
    const triedMs: number[] = [];
    const asked = [2, 86_400];
    const { warmer, clock } = setUp({
      items: numbered(1),
      infer: async () => {
        triedMs.push(clock.now());
        const seconds = asked.shift();
        if (seconds !== undefined) throw refusal('RATE_LIMITED', seconds);
        return answer('miss');
      },
    });
    assert.equal((await finish(warmer.run(), clock)).computed, 1);
    assert.deepEqual(triedMs, [0, 2000, 7000]);
  });

  it('takes refusals of several lanes at the same time as one', async () => {
    let tries = 0;
    const { warmer, clock } = setUp({
      items: numbered(4),
      concurrency: 4,
      infer: async () => {
        const refused = ++tries <= 4;
        await new Promise<void>((resolve) => clock.after(10, resolve));
        if (refused) throw refusal('OVERLOADED');
        return answer('miss');
      },
    });
    const { computed, elapsedMs } = await finish(warmer.run(), clock);
    assert.deepEqual([computed, elapsedMs], [4, 120]);
  });

  it('gives up after ten minutes of nothing but refusals', async () => {
    const { warmer, clock } = setUp({
      items: numbered(3),
      infer: () => Promise.reject(refusal('OVERLOADED')),
    });
    const { computed, failed, stoppedBy, elapsedMs } = await finish(warmer.run(), clock, 1000);
    assert.deepEqual([computed, failed, stoppedBy], [0, 0, 'The server refused for 10 minutes.']);
    assert.ok(elapsedMs > 600_000 && elapsedMs < 620_000, String(elapsedMs));
  });

  it('ends at once when no further input could be answered', async () => {
    for (const code of ['SHUTTING_DOWN', 'MODEL_NOT_FOUND', 'MODEL_FAILED'] as const) {
      let tries = 0;
      const { warmer, clock } = setUp({
        items: numbered(50),
        infer: async () => {
          if (++tries > 5) throw refusal(code);
          return answer('miss');
        },
      });
      const { computed, failed, stoppedBy } = await finish(warmer.run(), clock);
      assert.deepEqual([computed, failed, stoppedBy], [5, 0, `The server says ${code}.`]);
      assert.ok(tries <= 7);
    }
  });

  it('is cancelled during a pause without waiting for its end', async () => {
    const { warmer, clock } = setUp({
      items: numbered(2),
      infer: () => Promise.reject(refusal('OVERLOADED', 5)),
    });
    const running = warmer.run();
    await turn();
    warmer.cancel('The server stops.');
    const { stoppedBy, elapsedMs } = await finish(running, clock, 0);
    assert.deepEqual([stoppedBy, elapsedMs], ['The server stops.', 0]);
  });
});
