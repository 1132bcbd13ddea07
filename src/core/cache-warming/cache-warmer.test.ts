import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { CacheOutcome } from '../../ports/cache-store.ts';
import { HotpathError, invalidInput } from '../errors.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import type { Tensor } from '../tensor.ts';
import { answer, finish, numbered, refusal, setUp, turn, view } from '../testing/warmer-world.ts';
import type { InferCall } from '../types.ts';
import { CacheWarmer, type WarmItem } from './cache-warmer.ts';

const numberOf = (call: InferCall) => (call.decode(view)[0]!.data as Float32Array)[0]!;

describe('CacheWarmer', () => {
  it('asks once for every input, at the lowest priority and without the deadline of the body', async () => {
    const seen: number[] = [];
    const { warmer, clock } = setUp({
      items: numbered(20),
      total: 20,
      infer: async (call) => {
        assert.deepEqual([call.model, call.priority, call.timeoutMs], ['iris', 3, 60_000]);
        seen.push(numberOf(call));
        return answer('miss');
      },
    });
    const result = await finish(warmer.run(), clock);
    assert.deepEqual(
      seen.sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i),
    );
    assert.deepEqual([result.computed, result.remainingMs, result.stoppedBy, result.errors], [20, 0, undefined, []]);
  });

  it('keeps as many inputs in the air as it was told, and no more', async () => {
    for (const concurrency of [1, 2, 5]) {
      let now = 0;
      let most = 0;
      const { warmer, clock } = setUp({
        items: numbered(30),
        concurrency,
        infer: async () => {
          most = Math.max(most, ++now);
          await new Promise<void>((resolve) => clock.after(5, resolve));
          now--;
          return answer('miss');
        },
      });
      await finish(warmer.run(), clock);
      assert.equal(most, concurrency);
    }
  });

  it('tells what it computed from what was cached, failed, was not cacheable, or no longer fits', async () => {
    const items = numbered(8).map((item, index) => ({ ...item, maySkip: index === 6 }));
    const outcomes: (CacheOutcome | undefined | Error)[] = [
      'miss',
      'memory',
      'redis',
      'database',
      'bypass',
      undefined,
      invalidInput('inputs', 'It does not fit.'),
      invalidInput('features', 'features: expected 4 numbers, got 2'),
    ];
    const { warmer, clock } = setUp({
      items,
      infer: async (call) => {
        const outcome = outcomes[numberOf(call)];
        if (outcome instanceof Error) throw outcome;
        return answer(outcome);
      },
    });
    const { computed, cached, failed, skipped, errors } = await finish(warmer.run(), clock);
    assert.deepEqual({ computed, cached, failed, skipped }, { computed: 1, cached: 3, failed: 3, skipped: 1 });
    assert.deepEqual(errors, [
      'line 5: Its answer is not cached.',
      'line 6: Its answer is not cached.',
      'line 8: features: expected 4 numbers, got 2',
    ]);
  });

  it('counts an input that cannot be read, keeps ten sentences, and goes on', async () => {
    const items = numbered(30).map((item, index) => {
      if (index % 2 === 0) return item;
      return {
        ...item,
        makeCall: () => {
          throw invalidInput('body', 'The body is not valid JSON: unexpected text at position 3.');
        },
      };
    });
    const { warmer, clock } = setUp({ items, infer: async () => answer('miss') });
    const { computed, failed, errors } = await finish(warmer.run(), clock);
    assert.deepEqual([computed, failed, errors.length], [15, 15, 10]);
    assert.equal(errors[0], 'line 2: The body is not valid JSON: unexpected text at position 3.');
  });

  it('says nothing of the inside when something foreign is thrown', async () => {
    const { warmer, clock } = setUp({
      items: numbered(1),
      infer: () => Promise.reject(new TypeError('cannot read /srv/secret')),
    });
    const { errors } = await finish(warmer.run(), clock);
    assert.deepEqual(errors, ['line 1: Something went wrong inside the server.']);
  });

  it('asks before each input whether it is still wanted, so that it never brings an unloaded model back', async () => {
    let loaded = true;
    let asked = 0;
    const { warmer, clock } = setUp({
      items: numbered(10),
      concurrency: 1,
      isWanted: () => loaded,
      infer: async () => {
        if (++asked === 4) loaded = false;
        return answer('miss');
      },
    });
    const { computed, failed, stoppedBy } = await finish(warmer.run(), clock);
    assert.deepEqual([asked, computed, failed, stoppedBy], [4, 4, 0, 'The model was unloaded.']);
  });

  it('cancels the calls in the air, and counts them nowhere', async () => {
    const { warmer, clock } = setUp({
      items: numbered(10),
      infer: (call) =>
        new Promise((_, reject) => {
          call.cancel!.onCancel = () => reject(refusal('CANCELLED'));
        }),
    });
    const running = warmer.run();
    await turn();
    warmer.cancel();
    warmer.cancel('twice');
    const { computed, failed, stoppedBy, errors } = await finish(running, clock);
    assert.deepEqual([computed, failed, stoppedBy, errors], [0, 0, 'It was cancelled.', []]);
  });

  it('leaves the event loop after each input, also when every answer comes from memory', async () => {
    let deferred = 0;
    const clock = new SimulatedClock();
    const defer = clock.defer.bind(clock);
    clock.defer = (run) => {
      deferred++;
      defer(run);
    };
    const warmer = new CacheWarmer({ items: numbered(40), total: 40, clock, infer: async () => answer('memory') });
    const { cached } = await finish(warmer.run(), clock);
    assert.deepEqual([cached, deferred], [40, 40]);
  });

  it('estimates the rest from the rate so far', async () => {
    const { warmer, clock } = setUp({
      items: numbered(10),
      total: 10,
      concurrency: 1,
      infer: async () => {
        await new Promise<void>((resolve) => clock.after(100, resolve));
        return answer('miss');
      },
    });
    assert.deepEqual([warmer.progress().perSecond, warmer.progress().remainingMs], [0, undefined]);
    const running = warmer.run();
    for (let step = 1; warmer.progress().computed < 4; step++) {
      assert.ok(step < 1000);
      await turn();
      clock.advance(step % 4 === 0 ? 5 : 0);
    }
    const { computed, perSecond, remainingMs } = warmer.progress();
    assert.equal(computed, 4);
    assert.ok(Math.abs(perSecond - 10) < 0.3, String(perSecond));
    assert.ok(Math.abs(remainingMs! - 600) < 20, String(remainingMs));
    await finish(running, clock);
  });

  it('reads a stream of inputs only as fast as it asks, and ends it when it is cancelled', async () => {
    let made = 0;
    let ended = false;
    async function* source(): AsyncGenerator<WarmItem> {
      try {
        for (const item of numbered(1000)) {
          made++;
          yield item;
        }
      } finally {
        ended = true;
      }
    }
    let asked = 0;
    const { warmer, clock } = setUp({
      items: source(),
      infer: async () => {
        if (++asked === 7) warmer.cancel();
        return answer('miss');
      },
    });
    await finish(warmer.run(), clock);
    assert.equal(ended, true);
    assert.ok(made <= 10, String(made));
  });

  it('rejects when the source of inputs breaks, after the others have ended', async () => {
    async function* source(): AsyncGenerator<WarmItem> {
      yield* numbered(3);
      throw new HotpathError('MODEL_FAILED', 'The file "lines.jsonl" is absent.');
    }
    const { warmer, clock } = setUp({ items: source(), infer: async () => answer('miss') });
    await assert.rejects(finish(warmer.run(), clock), { message: 'The file "lines.jsonl" is absent.' });
  });

  it('hands entities and the joining of their features on to the call they belong to', async () => {
    class Call implements InferCall {
      readonly model = 'iris';
      readonly entities = ['user:1'];
      readonly decode = () => this.#joined;
      #joined: Tensor[] = [];
      join(features: readonly unknown[]) {
        this.#joined = [{ datatype: 'float32', shape: [1], data: Float32Array.of(features.length) }];
      }
    }
    const { warmer, clock } = setUp({
      items: [{ name: 'line 1', makeCall: () => new Call() }],
      infer: async (call) => {
        assert.deepEqual(call.entities, ['user:1']);
        call.join!([{ age: 3 }]);
        assert.equal(numberOf(call), 1);
        return answer('miss');
      },
    });
    assert.deepEqual((await finish(warmer.run(), clock)).errors, []);
  });
});
