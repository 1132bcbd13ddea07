import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { newTask, started, succeeded } from '../../core/tasks/transitions.ts';
import { tryLock } from './folder-lock.ts';
import { TaskFolder } from './task-folder.ts';
import { readTask, writeTask } from './task-record.ts';

const temporary = mkdtempSync(join(tmpdir(), 'hotpath-task-folder-'));
after(() => rmSync(temporary, { recursive: true, force: true }));

let made = 0;
const newRoot = () => join(temporary, String(made++), 'tasks');
const id = (last: number) => `01a1fe4b-e1f4-7000-9ac5-${last.toString(16).padStart(12, '0')}`;
const task = (last = 1) =>
  newTask({ id: id(last), kind: 'optimize', model: 'net', version: '1', createdMs: 5, request: { target: 'size' } });

describe('the folder of tasks', () => {
  it('keeps a task with its input, for every process that reads the folder', async () => {
    const root = newRoot();
    await new TaskFolder(root).create(task(), ['{"features":[1]}', '{"features":[2]}']);
    const other = new TaskFolder(root);
    assert.deepEqual(await other.list(), [task()]);
    assert.deepEqual(await other.find(id(1)), task());
    const folder = other.folderOf(id(1));
    assert.equal(readFileSync(join(folder, 'inputs.jsonl'), 'utf8'), '{"features":[1]}\n{"features":[2]}\n');
    assert.deepEqual(readdirSync(root), [id(1)]);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
  });

  it('is not made before there is a task, and holds no lease then', async () => {
    const root = newRoot();
    const store = new TaskFolder(root);
    assert.deepEqual([await store.list(), await store.find(id(1)), await store.lease()], [[], undefined, undefined]);
    assert.equal(existsSync(root), false);
  });

  it('shows what was put last, and who wants it cancelled until it has ended', async () => {
    const root = newRoot();
    const [leader, other] = [new TaskFolder(root), new TaskFolder(root)];
    await leader.create(task());
    await leader.put(started(task(), 7));
    await other.askCancel(id(1));
    await other.askCancel(id(1));
    const running = (await leader.find(id(1)))!;
    assert.deepEqual([running.state, running.startedMs, running.cancelAsked], ['running', 7, true]);
    await leader.put(succeeded(running, { chosen: null }, 9));
    assert.deepEqual(await other.find(id(1)), succeeded(started(task(), 7), { chosen: null }, 9));
    assert.deepEqual(readdirSync(other.folderOf(id(1))).sort(), ['cancel', 'task.json']);
  });

  it('passes over what is no task of its own', async () => {
    const root = newRoot();
    const store = new TaskFolder(root);
    await store.create(task());
    for (const name of ['notes', id(2), id(3)]) mkdirSync(join(root, name));
    writeFileSync(join(root, id(2), 'task.json'), '{"id":');
    writeFileSync(join(root, id(3), 'task.json'), writeTask(task(4)));
    writeFileSync(join(root, id(5)), 'a file');
    assert.deepEqual(await store.list(), [task()]);
    for (const odd of ['..', '../tasks', `${id(1)}/..`, '', 'leader.lock', id(1).toUpperCase()]) {
      assert.deepEqual([await store.find(odd), await store.report(odd)], [undefined, undefined], odd);
    }
  });

  it('drops the work of a task but not its report, and a task as a whole', async () => {
    const store = new TaskFolder(newRoot());
    await store.create(task(), ['{}']);
    const folder = store.folderOf(id(1));
    mkdirSync(join(folder, '.work', 'tmp'), { recursive: true });
    writeFileSync(join(folder, 'report.html'), '<p>good</p>');
    await store.dropWork(id(1));
    await store.dropWork(id(1));
    assert.deepEqual(readdirSync(folder).sort(), ['report.html', 'task.json']);
    assert.equal(await store.report(id(1)), '<p>good</p>');
    await store.remove(id(1));
    assert.deepEqual([await store.list(), await store.report(id(1))], [[], undefined]);
  });

  it('leaves nothing of a task whose input could not be written, and of a process that died over one', async () => {
    const root = newRoot();
    const store = new TaskFolder(root);
    const broken = (function* () {
      yield '{}';
      throw new HotpathError('INVALID_INPUT', 'hours: odd.');
    })();
    await assert.rejects(store.create(task(), broken), /hours: odd/);
    assert.deepEqual(readdirSync(root), []);
    await store.create(task());
    for (const name of ['.new-old', '.new-young']) mkdirSync(join(root, name));
    utimesSync(join(root, '.new-old'), 1, 1);
    await (await store.lease())!.release();
    assert.deepEqual(readdirSync(root).sort(), ['.new-young', id(1), 'leader.lock'].sort());
  });

  it('says that it cannot be written, without its path', {
    skip: process.getuid?.() === 0 && 'root may write',
  }, async () => {
    const root = newRoot();
    mkdirSync(root, { recursive: true });
    chmodSync(root, 0o500);
    await assert.rejects(
      new TaskFolder(root).create(task()),
      (error) => error instanceof HotpathError && error.code === 'UNSUPPORTED' && !error.message.includes(root),
    );
  });

  it('cannot be kept where a file is in the way', async () => {
    const root = newRoot();
    mkdirSync(join(root, '..'), { recursive: true });
    writeFileSync(root, '');
    const refused = (error: unknown) =>
      error instanceof HotpathError && error.code === 'UNSUPPORTED' && /taskDir cannot be written/.test(error.message);
    await assert.rejects(new TaskFolder(root).create(task()), refused);
    assert.deepEqual(await new TaskFolder(root).list(), []);
  });
});

describe('the lease', () => {
  it('is held by one at a time, in one process too', async () => {
    const root = newRoot();
    const [one, two] = [new TaskFolder(root), new TaskFolder(root)];
    await one.create(task());
    const lease = await one.lease();
    assert.equal(await two.lease(), undefined);
    await lease!.release();
    await lease!.release();
    assert.ok((await two.lease()) !== undefined);
  });

  it('is free again at once when its holder is killed', async () => {
    const path = join(temporary, 'a.lock');
    const child = fork(join(import.meta.dirname, 'testing', 'hold-lock.ts'), [path], { execArgv: [] });
    await once(child, 'message');
    assert.equal(tryLock(path), undefined);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const release = tryLock(path);
    assert.ok(release !== undefined);
    release();
    assert.equal(existsSync(`${path}-journal`), false);
  });
});

describe('the record of a task', () => {
  it('reads back what was written', () => {
    const full = { ...succeeded(started(task(), 7), { chosen: 'int8', variants: [] }, 9), deaths: 1 };
    assert.deepEqual(readTask(id(1), writeTask(full)), full);
    assert.deepEqual(readTask(id(1), writeTask({ ...full, cancelAsked: true })), full);
  });

  it('is nothing, or something that can be shown, whatever stands in the file', () => {
    const known = JSON.parse(writeTask(task())) as Record<string, unknown>;
    const changed = fc
      .record({ field: fc.constantFrom(...Object.keys(known), 'result', 'error', 'startedMs'), value: fc.jsonValue() })
      .map(({ field, value }) => JSON.stringify({ ...known, [field]: value }));
    fc.assert(
      fc.property(fc.oneof(changed, fc.string(), fc.json()), (text) => {
        const read = readTask(id(1), text);
        if (read === undefined) return;
        assert.equal(read.id, id(1));
        for (const ms of [read.createdMs, read.startedMs ?? 0, read.finishedMs ?? 0]) new Date(ms).toISOString();
        assert.ok(['waiting', 'running', 'done', 'failed', 'cancelled'].includes(read.state));
        assert.equal(typeof read.progress.what, 'string');
      }),
      { numRuns: 500 },
    );
  });
});
