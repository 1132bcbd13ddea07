import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { SimulatedClock } from '../simulated-clock.ts';
import { settle } from '../testing/registry-world.ts';
import { CancelToken, type SequenceStep } from '../types.ts';
import { SequenceTable, type SequenceTableOptions } from './sequence-table.ts';

function setUp(overrides: Partial<SequenceTableOptions> = {}) {
  const clock = new SimulatedClock();
  const events: string[] = [];
  const table = new SequenceTable<string>({
    model: 'm',
    clock,
    maxSequences: 3,
    maxIdleMs: 100,
    maxWaiting: 10,
    onCancelled: () => events.push('cancelled'),
    onExpired: () => events.push('expired'),
    ...overrides,
  });
  /** Appends `text` to the state after `ms` and answers with it. */
  const send = (step: SequenceStep, text: string, { ms = 0, fails = false, deadlineMs = 1e9, cancel }: Options = {}) =>
    table.run({ step, deadlineMs, cancel }, async (sequence) => {
      await new Promise<void>((resolve) => clock.after(ms, resolve));
      if (fails) throw new Error(`no ${text}`);
      sequence.state = (sequence.state ?? '') + text;
      return sequence.state;
    });
  const now = async <T>(work: Promise<T>): Promise<T> => {
    for (let turn = 0; turn < 3; turn++) {
      await settle();
      clock.advance(0);
    }
    return work;
  };
  return { clock, table, events, send, now };
}

interface Options {
  readonly ms?: number;
  readonly fails?: boolean;
  readonly deadlineMs?: number;
  readonly cancel?: CancelToken | undefined;
}

const first = (id: SequenceStep['id']): SequenceStep => ({ id, start: true, end: false });
const middle = (id: SequenceStep['id']): SequenceStep => ({ id, start: false, end: false });
const last = (id: SequenceStep['id']): SequenceStep => ({ id, start: false, end: true });

const unknown = { code: 'INVALID_INPUT', message: /must specify the START flag on the first request of the sequence/ };

describe('a sequence', () => {
  it('keeps its state from its start to its end', async () => {
    const { send, now, table } = setUp();
    assert.equal(await now(send(first(1), 'a')), 'a');
    assert.equal(await now(send(middle(1), 'b')), 'ab');
    assert.equal(await now(send(last(1), 'c')), 'abc');
    assert.equal(table.size, 0);
    await assert.rejects(now(send(middle(1), 'd')), unknown);
  });

  it('begins anew with another start', async () => {
    const { send, now } = setUp();
    await now(send(first(1), 'a'));
    assert.equal(await now(send(first(1), 'b')), 'b');
    assert.equal(await now(send(middle(1), 'c')), 'bc');
  });

  it('may have one request only', async () => {
    const { send, now, table } = setUp();
    assert.equal(await now(send({ id: 1, start: true, end: true }, 'a')), 'a');
    assert.equal(table.size, 0);
  });

  it('is told by its id, in which a number and a text differ and 5 and 5n do not', async () => {
    const { send, now, table } = setUp();
    await now(send(first(5), 'a'));
    assert.equal(await now(send(middle(5n), 'b')), 'ab');
    assert.equal(await now(send(first('5'), 'c')), 'c');
    assert.equal(table.size, 2);
  });

  it('stays as it was when one of its requests fails, and is gone when its first one does', async () => {
    const { send, now } = setUp();
    await now(send(first(1), 'a'));
    await assert.rejects(now(send(last(1), 'x', { fails: true })), /no x/);
    assert.equal(await now(send(middle(1), 'b')), 'ab');
    const failed = assert.rejects(send(first(2), 'x', { fails: true }), /no x/);
    await assert.rejects(now(send(middle(2), 'b')), unknown);
    await failed;
  });

  it('is forgotten after being idle, not while it is at work', async () => {
    const { clock, send, now, table } = setUp();
    await now(send(first(1), 'a'));
    clock.advance(60);
    await now(send(first(2), 'a'));
    const long = send(middle(1), 'b', { ms: 500 });
    clock.advance(99);
    await settle();
    assert.equal(table.size, 2);
    clock.advance(1);
    await settle();
    assert.equal(table.size, 1);
    await assert.rejects(now(send(middle(2), 'b')), unknown);
    clock.advance(400);
    assert.equal(await long, 'ab');
    await settle();
    clock.advance(99);
    assert.equal(await now(send(last(1), 'c')), 'abc');
  });

  it('is refused beyond the limit, and not before another has ended', async () => {
    const { send, now } = setUp();
    for (const id of [1, 2, 3]) await now(send(first(id), 'a'));
    await assert.rejects(now(send(first(4), 'a')), { code: 'OVERLOADED', message: /has 3 sequences already/ });
    assert.equal(await now(send(middle(3), 'b')), 'ab');
    await now(send(last(2), 'b'));
    assert.equal(await now(send(first(4), 'a')), 'a');
  });
});

describe('a request that waits for its turn', () => {
  it('leaves when its client does, or its deadline passes, and the next goes on', async () => {
    const { clock, events, send, now } = setUp();
    const cancel = new CancelToken();
    const running = send(first(1), 'a', { ms: 50 });
    const gone = assert.rejects(send(middle(1), 'b', { cancel }), { code: 'CANCELLED' });
    const late = assert.rejects(send(middle(1), 'c', { deadlineMs: 20 }), { code: 'DEADLINE_EXCEEDED' });
    const next = send(middle(1), 'd');
    await settle();
    cancel.cancel();
    clock.advance(20);
    await Promise.all([gone, late]);
    assert.deepEqual(events, ['cancelled', 'expired']);
    clock.advance(30);
    assert.equal(await running, 'a');
    assert.equal(await now(next), 'ad');
    cancel.cancel();
  });

  it('is refused when too many wait', async () => {
    const { clock, send, now } = setUp({ maxWaiting: 1 });
    const running = send(first(1), 'a', { ms: 50 });
    const waiting = send(middle(1), 'b');
    await assert.rejects(send(middle(1), 'c'), { code: 'OVERLOADED', message: /wait for their turn/ });
    await settle();
    clock.advance(50);
    assert.deepEqual([await running, await now(waiting)], ['a', 'ab']);
  });

  it('never overtakes, whatever the mixture and the durations, and sees no state but its own', async () => {
    const script = fc.array(
      fc.record({
        id: fc.integer({ min: 1, max: 4 }),
        ms: fc.integer({ min: 0, max: 9 }),
        gap: fc.integer({ max: 5, min: 0 }),
      }),
      { minLength: 1, maxLength: 40 },
    );
    await fc.assert(
      fc.asyncProperty(script, async (requests) => {
        const { clock, table, send } = setUp({ maxSequences: 4, maxIdleMs: 1e6, maxWaiting: 100 });
        const counts = new Map<number, number>();
        const answers: Promise<[expected: string, got: string]>[] = [];
        for (const { id, ms, gap } of requests) {
          const index = counts.get(id) ?? 0;
          counts.set(id, index + 1);
          const expected = Array.from({ length: index + 1 }, (_, each) => `${id}.${each} `).join('');
          const answer = send({ id, start: index === 0, end: false }, `${id}.${index} `, { ms });
          answers.push(answer.then((got) => [expected, got]));
          clock.advance(gap);
          await settle();
        }
        for (let turn = 0; turn < requests.length; turn++) {
          clock.advance(10);
          await settle();
        }
        for (const [expected, got] of await Promise.all(answers)) assert.equal(got, expected);
        assert.equal(table.size, counts.size);
      }),
      { numRuns: 60 },
    );
  });
});
