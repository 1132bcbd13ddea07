import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedClock } from '../simulated-clock.ts';
import type { InferCall, InferResponse } from '../types.ts';
import type { WarmItem } from './cache-warmer.ts';
import { type WarmUp, WarmUps } from './warm-ups.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const item = (model: string): WarmItem => ({ name: 'one', makeCall: () => ({ model, decode: () => [] }) });

function setUp() {
  const clock = new SimulatedClock();
  const events: string[] = [];
  /** Answers wait here. */
  const open: PromiseWithResolvers<InferResponse>[] = [];
  const infer = (call: InferCall): Promise<InferResponse> => {
    events.push(`ask ${call.model}`);
    const answer = Promise.withResolvers<InferResponse>();
    open.push(answer);
    call.cancel!.onCancel = () => answer.resolve({ cache: 'miss' } as InferResponse);
    return answer.promise;
  };
  const warmUps = new WarmUps({ infer, clock });
  const begin = (model: string, given: Partial<WarmUp> = {}) =>
    warmUps.begin({
      model,
      version: '1',
      isWanted: () => true,
      inputs: async () => {
        events.push(`read ${model}`);
        return { items: [item(model)], total: 1 };
      },
      ...given,
    });
  const settle = async () => {
    for (let step = 0; step < 5; step++) {
      await turn();
      clock.flush();
    }
  };
  return { events, open, warmUps, begin, settle };
}

describe('WarmUps', () => {
  it('runs one at a time, and reads the inputs of the next only when its turn has come', async () => {
    const { events, open, begin, settle } = setUp();
    const [a, b] = [begin('a'), begin('b')];
    await settle();
    assert.deepEqual(events, ['read a', 'ask a']);
    assert.deepEqual([a.status().state, b.status().state, b.status().total], ['warming', 'waiting', undefined]);
    open[0]!.resolve({ cache: 'miss' } as InferResponse);
    await settle();
    const done = await a.result;
    assert.deepEqual([done.state, done.model, done.computed, done.reason], ['done', 'a', 1, undefined]);
    assert.deepEqual(events, ['read a', 'ask a', 'read b', 'ask b']);
    assert.deepEqual([b.status().state, b.status().total], ['warming', 1]);
  });

  it('a waiting one that was cancelled reads nothing and stops when its turn comes', async () => {
    const { events, open, begin, settle } = setUp();
    begin('a');
    const b = begin('b');
    const c = begin('c');
    await settle();
    b.cancel('The client left.');
    open[0]!.resolve({ cache: 'memory' } as InferResponse);
    await settle();
    const { state, reason, computed } = await b.result;
    assert.deepEqual([state, reason, computed], ['stopped', 'The client left.', 0]);
    assert.deepEqual(events.slice(2), ['read c', 'ask c']);
    assert.equal(c.status().state, 'warming');
  });

  it('one that is cancelled while its inputs are read asks nothing', async () => {
    const { events, begin, settle } = setUp();
    const reading = Promise.withResolvers<{ items: WarmItem[]; total: number }>();
    const job = begin('a', { inputs: () => reading.promise });
    await settle();
    job.cancel('enough');
    reading.resolve({ items: [item('a')], total: 1 });
    await settle();
    assert.deepEqual([(await job.result).reason, events], ['enough', []]);
  });

  it('inputs that cannot be read fail their own warm-up only', async () => {
    const { begin, settle, events } = setUp();
    const broken = begin('a', { inputs: () => Promise.reject(new Error('no such file')) });
    begin('b');
    await assert.rejects(broken.result, { message: 'no such file' });
    await settle();
    assert.deepEqual(events, ['read b', 'ask b']);
  });

  it('close cancels what runs, what waits and what comes later', async () => {
    const { begin, settle, warmUps, events } = setUp();
    const [a, b] = [begin('a'), begin('b')];
    await settle();
    const closing = warmUps.close();
    await settle();
    await closing;
    const late = begin('c');
    const reasons = await Promise.all([a, b, late].map(async ({ result }) => (await result).reason));
    assert.deepEqual(reasons, Array(3).fill('The server is stopping.'));
    assert.deepEqual(events, ['read a', 'ask a']);
    await warmUps.close();
  });
});
