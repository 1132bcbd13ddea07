import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { LinkReply } from '../../src/cli/worker-link.ts';
import { ask, askUntil, type Supervised, spawnSupervisor, startLoad, startSupervised } from './support/supervised.ts';

async function start(test: TestContext, ...flags: string[]): Promise<Supervised> {
  const supervised = await startSupervised(flags);
  test.after(async () => {
    // The supervisor's end ends its processes: their channel closes.
    supervised.process.kill('SIGKILL');
    await supervised.exit;
  });
  return supervised;
}

/** Both process ids of a two-process server. */
async function bothPids(url: string): Promise<[number, number]> {
  const first = await askUntil(url, () => true);
  return [first, await askUntil(url, (pid) => pid !== first)];
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

describe('the supervisor', () => {
  it('replaces a killed process while its sibling answers', async (test) => {
    const { url, log } = await start(test, '--workers=2');
    const [victim, sibling] = await bothPids(url);
    process.kill(victim, 'SIGKILL');
    const replacement = await askUntil(url, (pid) => pid !== victim && pid !== sibling);
    assert.ok(isAlive(replacement));
    assert.match(log.join('\n'), /was ended by SIGKILL; its replacement starts now/);
  });

  it('brings a single process back on the same port', async (test) => {
    const { url } = await start(test, '--max-requests=1000000');
    const { pid } = await ask(url);
    process.kill(pid, 'SIGKILL');
    await askUntil(url, (answering) => answering !== pid);
  });

  it('leaves no connection without an answer or an end while processes are killed', async (test) => {
    const { url } = await start(test, '--workers=2');
    const load = startShortConnections(url);
    for (let round = 0; round < 6; round++) {
      const victim = await askUntil(url, isAlive);
      process.kill(victim, 'SIGKILL');
      await askUntil(url, (pid) => pid !== victim);
    }
    // A connection that nobody serves would keep this waiting for ever.
    assert.ok((await load.stop()) > 0);
  });

  it('swaps every process on SIGHUP without a failed request', async (test) => {
    const { url, process: supervisor } = await start(test, '--workers=2');
    const old = await bothPids(url);
    const load = startLoad(url, 8);
    supervisor.kill('SIGHUP');
    const first = await askUntil(url, (pid) => !old.includes(pid));
    await askUntil(url, (pid) => !old.includes(pid) && pid !== first && old.every((each) => !isAlive(each)));
    await load.stop();
    assert.deepEqual(load.failures, []);
    assert.ok(load.answers.get(first)! > 0);
  });

  it('recycles processes after maxRequests without a failed request', async (test) => {
    const { url } = await start(test, '--workers=2', '--max-requests=300', '--max-requests-jitter=100');
    const old = await bothPids(url);
    const load = startLoad(url, 4);
    await askUntil(url, (pid) => !old.includes(pid) && old.every((each) => !isAlive(each)));
    await load.stop();
    assert.deepEqual(load.failures, []);
    for (const pid of old) assert.ok(load.answers.get(pid)! >= 250, `${pid} answered ${load.answers.get(pid)}`);
  });

  it('finishes accepted requests on SIGTERM and ends with 0', async (test) => {
    const { url, process: supervisor, exit } = await start(test, '--workers=2');
    const pids = await bothPids(url);
    const slow = ask(`${url}/slow?ms=700`);
    await askUntil(url, () => true);
    supervisor.kill('SIGTERM');
    assert.ok(pids.includes((await slow).pid));
    assert.deepEqual(await exit, { code: 0, signal: null });
    assert.deepEqual(pids.filter(isAlive), []);
  });

  it('kills at once on the second SIGINT', async (test) => {
    const { url, process: supervisor, exit } = await start(test, '--workers=2');
    const pids = await bothPids(url);
    const hanging = assert.rejects(ask(`${url}/slow?ms=600000`));
    const afterwards = await askUntil(url, () => true);
    assert.ok(pids.includes(afterwards));
    supervisor.kill('SIGINT');
    // The first one has been taken when new connections are refused.
    await assert.rejects(async () => {
      for (;;) await ask(url);
    });
    supervisor.kill('SIGINT');
    await exit;
    await hanging;
    assert.deepEqual(pids.filter(isAlive), []);
  });

  it('does not try again when the first processes cannot start, and passes on their exit code', async () => {
    const started = spawnSupervisor(['--workers=2'], { HOTPATH_TEST_WORKER_FAILS: '1' });
    assert.deepEqual(await started.exit, { code: 7, signal: null });
    assert.deepEqual(started.log, []);
  });

  it('ends its processes when it is killed itself', async (test) => {
    const { url, process: supervisor, exit } = await start(test, '--workers=2');
    const pids = await bothPids(url);
    supervisor.kill('SIGKILL');
    await exit;
    while (pids.some(isAlive)) await new Promise(setImmediate);
  });
});

describe('the link between processes', () => {
  it('carries a question to every sibling and their answers back', async (test) => {
    const { url } = await start(test, '--workers=3');
    const replies = await ask<LinkReply[]>(`${url}/ask?type=who`);
    assert.equal(replies.length, 2);
    const pids = replies.map((reply) => {
      assert.ok(reply.ok);
      return (reply.value as { pid: number }).pid;
    });
    assert.equal(new Set(pids).size, 2);
    assert.ok(pids.every(isAlive));
  });

  it('reports siblings that fail or die instead of waiting for them', async (test) => {
    const { url } = await start(test, '--workers=2');
    const failed = await ask<LinkReply[]>(`${url}/ask?type=fail`);
    assert.deepEqual(
      failed.map((reply) => !reply.ok && reply.error),
      ['told to fail'],
    );
    const died = await ask<LinkReply[]>(`${url}/ask?type=die`);
    assert.deepEqual(
      died.map((reply) => !reply.ok && reply.error),
      ['The process ended before it answered.'],
    );
  });

  it('answers at once with an empty list when there is no sibling', async (test) => {
    const { url } = await start(test, '--max-requests=1000');
    assert.deepEqual(await ask<LinkReply[]>(`${url}/ask?type=who`), []);
  });
});

/** Sixteen clients, a new connection per request; failures count as ends. @returns how to stop, which gives the number of answers. */
function startShortConnections(url: string): { stop(): Promise<number> } {
  let running = true;
  let answers = 0;
  const loops = Array.from({ length: 16 }, async () => {
    while (running) {
      await ask(url).then(
        () => {
          answers += 1;
        },
        () => new Promise(setImmediate),
      );
    }
  });
  return {
    stop: async () => {
      running = false;
      await Promise.all(loops);
      return answers;
    },
  };
}
