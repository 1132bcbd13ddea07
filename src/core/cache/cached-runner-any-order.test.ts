import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../errors.ts';
import type { Tensor } from '../tensor.ts';
import { settle } from '../testing/cache-world.ts';
import { ask, check, flightsOf, rowsOf, twoTiers } from '../testing/cached-runner-world.ts';
import { CancelToken } from '../types.ts';

type Step =
  | { readonly do: 'ask'; readonly rows: readonly number[]; readonly timeoutMs: number; readonly mode: number }
  | { readonly do: 'cancel' | 'answer' | 'fail'; readonly which: number }
  | { readonly do: 'advance'; readonly ms: number }
  | { readonly do: 'settle' | 'invalidate' | 'mood' };

const steps: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('ask' as const),
      rows: fc.array(fc.nat(5), { minLength: 1, maxLength: 4 }),
      timeoutMs: fc.constantFrom(5, 40, 10_000),
      mode: fc.nat(9),
    }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constantFrom('cancel', 'answer', 'fail'), which: fc.nat(20) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('advance' as const), ms: fc.nat(60) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('settle', 'invalidate', 'mood') }) },
);

test('whatever happens in whatever order: answers are right, everybody hears once, and nothing stays behind', async () => {
  const failures = ['ENGINE_FAILED', 'OVERLOADED', 'DEADLINE_EXCEEDED'] as const;
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 40 }), fc.nat(3), async (script, tiers) => {
      const { at, redis, database, runner } = twoTiers(
        {
          tiers: (['memory', 'redis', 'database'] as const).slice(0, Math.min(3, tiers + 1)),
          ttlMs: 50,
          staleMs: tiers === 3 ? 30 : 0,
          shareFlights: tiers === 3,
          write: (['aside', 'through', 'behind', 'aside'] as const)[tiers]!,
        },
        true,
      );
      at.inner.held = true;
      const calls: { rows: readonly number[]; inputs: Tensor[]; cancel: CancelToken; heard: number; code: string }[] =
        [];
      for (const step of script) {
        if (step.do === 'ask') {
          const cancel = new CancelToken();
          const inputs = rowsOf(...step.rows);
          const call = { rows: step.rows, inputs, cancel, heard: 0, code: '' };
          calls.push(call);
          const { timeoutMs, mode } = step;
          const hear = (code: string) => {
            call.heard++;
            call.code = code;
            // After the answer the protocol reuses the memory of the request.
            (inputs[0]!.data as Float32Array).fill(99);
          };
          runner
            .submit(inputs, {
              priority: (mode % 4) as 0,
              arrivalMs: at.clock.now(),
              timeoutMs,
              solo: false,
              cancel,
              cache: mode === 9 ? 'no-cache' : mode === 8 ? 'no-store' : undefined,
            })
            .then(
              (answer) => {
                check(answer, step.rows);
                hear('OK');
              },
              (error: HotpathError) => hear(error.code),
            )
            .catch((error: unknown) => {
              call.code = `wrong: ${String(error)}`;
            });
        } else if (step.do === 'cancel') calls[step.which % calls.length]?.cancel.cancel();
        else if (step.do === 'answer') at.inner.open[step.which % at.inner.open.length]?.answer();
        else if (step.do === 'fail') {
          const code = failures[step.which % failures.length]!;
          at.inner.open[step.which % at.inner.open.length]?.fail(new HotpathError(code, 'test'));
        } else if (step.do === 'advance') at.clock.advance(step.ms);
        else if (step.do === 'invalidate') void at.cache.invalidate({ model: 'dou*' });
        else if (step.do === 'mood') redis.mood = redis.mood === 'works' ? 'fails' : 'works';
        if (step.do === 'settle') await settle(at.clock);
        else await Promise.resolve();
      }
      redis.mood = 'works';
      for (let turn = 0; turn < 400 && (calls.some(({ heard }) => heard === 0) || flightsOf(runner) > 0); turn++) {
        for (const run of at.inner.open) run.answer();
        await settle(at.clock);
        at.clock.advance(50);
      }
      for (const { heard, code } of calls) {
        assert.equal(heard, 1, code);
        assert.ok(['OK', 'CANCELLED', ...failures].includes(code), code);
      }
      assert.equal(flightsOf(runner), 0);
      assert.equal(at.inner.open.length, 0);
      for (let row = 0; row <= 5; row++) {
        const pending = ask(runner, at, [row]);
        await settle(at.clock);
        for (const run of at.inner.open) run.answer();
        for (let turn = 0; turn < 5; turn++) {
          await settle(at.clock);
          at.clock.advance(30);
          for (const run of at.inner.open) run.answer();
        }
        check(await pending, [row]);
      }
      assert.ok(database.entries.size <= 6);
    }),
    { numRuns: 150 },
  );
});
