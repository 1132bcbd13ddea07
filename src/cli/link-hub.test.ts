import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type HubPeer, LinkHub } from './link-hub.ts';
import { RestartPolicy } from './restart-policy.ts';
import { connectWorkerLink, type WorkerControl } from './worker-link.ts';
import type { FromWorker, ToWorker } from './worker-messages.ts';

/** A hub with workers on it, joined by direct calls instead of processes. */
function house(ids: readonly number[]) {
  const hub = new LinkHub();
  const drains: number[] = [];
  const receivers = new Map<number, (message: unknown) => void>();
  const peers: HubPeer[] = ids.map((id) => ({
    id,
    send: (message: ToWorker) => {
      const receive = receivers.get(id);
      // As over a pipe: a copy, later, and undefined fields are lost.
      if (receive !== undefined) queueMicrotask(() => receive(JSON.parse(JSON.stringify(message))));
      return receive !== undefined;
    },
  }));
  const fromWorker = (id: number, message: FromWorker) => {
    const self = peers.find((peer) => peer.id === id)!;
    const others = peers.filter((peer) => peer.id !== id);
    if (message.hotpath === 'broadcast') hub.broadcast(self, message.id, message.body, message.timeoutMs, others);
    else if (message.hotpath === 'reply') hub.reply(message.id, id, message.value);
    else if (message.hotpath === 'reply-error') hub.fail(message.id, id, message.error);
  };
  const controls = ids.map((id): WorkerControl => {
    const control = connectWorkerLink(id, {
      send: (message) => fromWorker(id, JSON.parse(JSON.stringify(message)) as FromWorker),
      onMessage: (receive) => receivers.set(id, receive),
    });
    control.onDrain(() => drains.push(id));
    return control;
  });
  return { hub, controls, receivers, drains, peers };
}

describe('broadcasts', () => {
  it('gather one reply per sibling, from each question its own', async () => {
    const { controls } = house([1, 2, 3]);
    for (const { link } of controls) link.onMessage(async (body) => `${link.workerId} heard ${body}`);
    const [a, b] = await Promise.all([controls[0]!.link.broadcast('x'), controls[1]!.link.broadcast('y')]);
    assert.deepEqual(a, [
      { workerId: 2, ok: true, value: '2 heard x' },
      { workerId: 3, ok: true, value: '3 heard x' },
    ]);
    assert.deepEqual(b, [
      { workerId: 1, ok: true, value: '1 heard y' },
      { workerId: 3, ok: true, value: '3 heard y' },
    ]);
  });

  it('carry what a sibling throws as the error of its reply', async () => {
    const { controls } = house([1, 2, 3]);
    controls[1]!.link.onMessage(() => Promise.reject(new Error('no such model')));
    assert.deepEqual(await controls[0]!.link.broadcast('x'), [
      { workerId: 2, ok: false, error: 'no such model' },
      { workerId: 3, ok: false, error: 'This process answers no messages yet.' },
    ]);
  });

  it('end for siblings that die, were gone already, or stay silent', async (test) => {
    test.mock.timers.enable({ apis: ['setTimeout'] });
    const { hub, controls, receivers } = house([1, 2, 3, 4]);
    receivers.delete(2);
    for (const { link } of controls) link.onMessage(() => new Promise(() => {}));
    const replies = controls[0]!.link.broadcast('x', 300);
    hub.peerGone(3);
    test.mock.timers.tick(300);
    hub.reply(1, 4, 'too late');
    const gone = 'The process ended before it answered.';
    assert.deepEqual(await replies, [
      { workerId: 2, ok: false, error: gone },
      { workerId: 3, ok: false, error: gone },
      { workerId: 4, ok: false, error: 'No answer within 300 ms.' },
    ]);
  });

  it('are empty without siblings', async () => {
    assert.deepEqual(await house([1]).controls[0]!.link.broadcast('x'), []);
  });

  it('leave other messages and the drain order alone', async () => {
    const { drains, receivers } = house([1, 2]);
    receivers.get(2)!('a string');
    receivers.get(2)!({ cmd: 'NODE_CLUSTER' });
    receivers.get(2)!({ hotpath: 'drain' });
    assert.deepEqual(drains, [2]);
  });
});

describe('restarts', () => {
  it('come at once, then ever later while processes die young, and at once again after a long life', () => {
    const policy = new RestartPolicy();
    const delays = Array.from({ length: 9 }, () => policy.delayAfterDeath(10));
    assert.deepEqual(delays, [0, 100, 200, 400, 800, 1600, 3200, 5000, 5000]);
    assert.equal(policy.delayAfterDeath(1000), 0);
    assert.equal(policy.delayAfterDeath(999), 0);
    assert.equal(policy.delayAfterDeath(999), 100);
  });
});
