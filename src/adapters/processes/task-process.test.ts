import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { getPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { TaskProgress } from '../../ports/task-store.ts';
import { runTaskProcess } from './task-process.ts';

const entry = new URL('./testing/odd-task.ts', import.meta.url);

function start(act: string) {
  const log: { readonly stderr?: string }[] = [];
  const silent = () => {};
  const logger = { debug: silent, info: silent, warn: (fields: object) => void log.push(fields), error: silent };
  const first = Promise.withResolvers<TaskProgress>();
  const spec = { entry, job: { act }, temporaryFolder: join(tmpdir(), 'of-the-task'), graceMs: 100, logger };
  return { ...runTaskProcess(spec, first.resolve), first: first.promise, log };
}

describe('the process of a task', () => {
  it('says how far it is and what came out, at a lower priority and without the environment of the server', async () => {
    process.env.HOTPATH_SECRET = 'x';
    const { outcome, first } = start('look');
    delete process.env.HOTPATH_SECRET;
    assert.deepEqual(await first, { share: 0.25, what: 'look' });
    const ended = await outcome;
    assert.ok(ended.kind === 'done');
    const { niceness, env, temporary } = ended.result as { niceness: number; env: string[]; temporary: string };
    assert.equal(niceness, Math.max(getPriority(), 10));
    assert.ok(!env.includes('HOTPATH_SECRET') && env.includes('PATH'));
    assert.equal(temporary, join(tmpdir(), 'of-the-task'));
  });

  it('fails with its own sentence, and with none of its secrets when that is a bug', async () => {
    assert.deepEqual(await start('refuse').outcome, {
      kind: 'failed',
      error: { code: 'INVALID_INPUT', message: 'data: has no rows.' },
    });
    const { outcome, log } = start('bug');
    const error = { code: 'INTERNAL', message: 'Something went wrong inside the server.' };
    assert.deepEqual(await outcome, { kind: 'failed', error });
    assert.match(log[0]!.stderr!, /secret detail/);
  });

  it('is told of when it ends without a word, or cannot even start', async () => {
    assert.deepEqual(await start('exit').outcome, { kind: 'died', how: 'exit code 7' });
    const absent = new URL('./testing/absent.ts', import.meta.url);
    const logger = { debug() {}, info() {}, warn() {}, error() {} };
    const run = runTaskProcess({ entry: absent, job: {}, temporaryFolder: '/', graceMs: 1, logger }, () => {});
    assert.deepEqual(await run.outcome, { kind: 'died', how: 'exit code 1' });
  });

  it('ends in order when it is stopped, and is killed when it does not', async () => {
    const orderly = start('wait');
    await orderly.first;
    orderly.stop();
    orderly.stop();
    assert.deepEqual(await orderly.outcome, { kind: 'done', result: { stopped: 'The task was stopped.' } });
    const busy = start('spin');
    await busy.first;
    busy.stop();
    assert.deepEqual(await busy.outcome, { kind: 'died', how: 'signal SIGKILL' });
  });

  it('ends when its parent is gone', { skip: !existsSync('/proc/self/stat') && 'no /proc' }, async () => {
    const parent = fork(new URL('./testing/task-parent.ts', import.meta.url), { execArgv: [] });
    const [pid] = (await once(parent, 'message')) as [number];
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    while (existsSync(`/proc/${pid}`)) await new Promise(setImmediate);
  });
});
