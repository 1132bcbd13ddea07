import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type ClientErrorCode, HotpathClientError } from './client-error.ts';
import { Deadline } from './deadline.ts';
import { Retrier, type RetryOptions, retryDelayMs, retryOptionsOf } from './retry.ts';
import { FakeClock } from './testing/fake-clock.ts';

const failure = (code: ClientErrorCode, retryAfterSeconds?: number) =>
  new HotpathClientError(code, code, { retryAfterSeconds });

interface World {
  readonly clock: FakeClock;
  /** Times of the attempts of the last call. */
  attempts: number[];
  call(outcomes: readonly (Error | 'ok')[], timeoutMs?: number, signal?: AbortSignal): Promise<string>;
}

function world(options: Partial<RetryOptions> = {}, random = () => 0.5): World {
  const clock = new FakeClock();
  const retrier = new Retrier(retryOptionsOf(options), random);
  const self: World = {
    clock,
    attempts: [],
    async call(outcomes, timeoutMs, signal) {
      const deadline = new Deadline(clock, timeoutMs, signal);
      self.attempts = [];
      const run = retrier.run(deadline, async () => {
        const outcome = outcomes[Math.min(self.attempts.length, outcomes.length - 1)]!;
        self.attempts.push(clock.now());
        if (outcome === 'ok') return 'answer';
        throw outcome;
      });
      try {
        return await clock.through(run);
      } finally {
        deadline.finish();
      }
    },
  };
  return self;
}

const codeOf = (code: ClientErrorCode) => ({ name: 'HotpathClientError', code });

describe('a call that is tried again', () => {
  it('waits a random time below a bound that doubles', async () => {
    const { call, ...rest } = world({ retries: 3 });
    assert.equal(
      await call([failure('OVERLOADED'), failure('CONNECTION_FAILED'), failure('RATE_LIMITED'), 'ok']),
      'answer',
    );
    assert.deepEqual(rest.clock.now(), 25 + 50 + 100);
  });

  it('waits as long as the server asked for, and the jitter on top', async () => {
    const { call, clock } = world();
    await call([failure('OVERLOADED', 2), 'ok']);
    assert.equal(clock.now(), 2025);
  });

  it('has a delay from 0 up to its bound, whatever the attempt', () => {
    fc.assert(
      fc.property(fc.nat(40), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
        const delayMs = retryDelayMs(retryOptionsOf(undefined), attempt, undefined, () => random);
        assert.ok(delayMs >= 0 && delayMs <= Math.min(2000, 50 * 2 ** attempt));
      }),
    );
  });

  it('fails with the last error once its retries are used up', async () => {
    const test = world({ retries: 2 });
    await assert.rejects(test.call([failure('OVERLOADED')]), codeOf('OVERLOADED'));
    assert.equal(test.attempts.length, 3);
  });

  it('is not tried again when the server said what is wrong with it', async () => {
    const codes = ['INVALID_INPUT', 'MODEL_FAILED', 'DEADLINE_EXCEEDED', 'POISON_INPUT', 'INVALID_RESPONSE'] as const;
    for (const code of codes) {
      const test = world();
      await assert.rejects(test.call([failure(code), 'ok']), codeOf(code));
      assert.equal(test.attempts.length, 1, code);
    }
    const test = world();
    await assert.rejects(test.call([new TypeError('a bug'), 'ok']), TypeError);
  });

  it('fails at once when the wait would outlast the deadline', async () => {
    const test = world();
    await assert.rejects(test.call([failure('OVERLOADED', 5), 'ok'], 4000), codeOf('OVERLOADED'));
    assert.equal(test.clock.now(), 0);
  });

  it('stops waiting when the caller cancels', async () => {
    const test = world();
    const controller = new AbortController();
    test.clock.after(1000, () => controller.abort(new Error('gone')));
    await assert.rejects(test.call([failure('OVERLOADED', 60), 'ok'], undefined, controller.signal), {
      ...codeOf('CANCELLED'),
      cause: new Error('gone'),
    });
    assert.deepEqual([test.clock.now(), test.attempts.length, test.clock.pending], [1000, 1, 0]);
  });
});

describe('the retry budget', () => {
  it('lets a client in trouble send at most a fifth more than its calls', async () => {
    const test = world({ retries: 2, budgetRatio: 0.2 });
    let attempts = 0;
    for (let call = 0; call < 500; call++) {
      await assert.rejects(test.call([failure('OVERLOADED')]));
      attempts += test.attempts.length;
    }
    assert.ok(attempts >= 600 && attempts <= 500 + 100 + 10, String(attempts));
  });

  it('is earned again by calls that succeed', async () => {
    const test = world({ retries: 1 });
    for (let call = 0; call < 30; call++) await assert.rejects(test.call([failure('OVERLOADED')]));
    for (let call = 0; call < 10; call++) await test.call(['ok']);
    assert.equal(await test.call([failure('OVERLOADED'), 'ok']), 'answer');
  });
});

describe('a deadline', () => {
  it('ends a call that gets no answer, and tells what it is', async () => {
    const clock = new FakeClock();
    const deadline = new Deadline(clock, 250, undefined);
    await assert.rejects(clock.through(deadline.sleep(1000)), {
      ...codeOf('DEADLINE_EXCEEDED'),
      message: 'No answer within 250 ms.',
    });
    assert.equal(clock.now(), 250);
    assert.equal(deadline.signal.aborted, true);
    assert.equal(deadline.leftMs(), 0);
  });

  it('may be longer than a timer, or infinite', () => {
    for (const timeoutMs of [2 ** 40, Number.POSITIVE_INFINITY]) {
      const clock = new FakeClock();
      const deadline = new Deadline(clock, timeoutMs, undefined);
      assert.deepEqual([clock.pending, deadline.remainingMs()], [0, timeoutMs]);
    }
    assert.equal(new Deadline(new FakeClock(), Number.POSITIVE_INFINITY, undefined).leftMs(), undefined);
  });

  it('leaves nothing behind on the clock or on the signal of the caller', () => {
    const clock = new FakeClock();
    const controller = new AbortController();
    const deadline = new Deadline(clock, 250, controller.signal);
    deadline.finish();
    controller.abort();
    assert.equal(clock.pending, 0);
    assert.equal(deadline.signal.aborted, false);
  });

  it('refuses a call whose signal was aborted before', () => {
    assert.throws(() => new Deadline(new FakeClock(), undefined, AbortSignal.abort()).check(), codeOf('CANCELLED'));
  });
});
