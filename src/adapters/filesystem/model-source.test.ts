import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { link, mkdir, mkdtemp, realpath, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { parseModelConfig } from '../../config/model-config.ts';
import type { Clock } from '../../ports/clock.ts';
import type { ModelFile } from '../../ports/model-source.ts';
import { FilesystemModelSource } from './model-source.ts';

/** Called when a watcher sets its first timer: its first look, the baseline, is then over. */
let onTimerSet = () => {};

/** Real time: these tests wait for the real file system, by events and never by a fixed sleep. */
const clock: Clock = {
  now: () => performance.now(),
  after: (delayMs, run) => {
    onTimerSet();
    return setTimeout(run, delayMs);
  },
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
  defer: (run) => void setImmediate(run),
};

let folder: string;
let root: string;
let source: FilesystemModelSource;

before(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'model-source-')));
});
after(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  root = await mkdtemp(join(folder, 'root-'));
  source = sourceOf(root);
});

function sourceOf(path: string): FilesystemModelSource {
  return new FilesystemModelSource({ root: path, parseConfig: parseModelConfig, clock, settleMs: 20, pollMs: 500 });
}

async function put(path: string, contents: string): Promise<string> {
  const full = join(root, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, contents);
  return full;
}

async function versionsOf(name: string): Promise<string[] | undefined> {
  return (await source.find(name))?.versions.map((file) => file.version);
}

describe('the model repository in a folder', () => {
  it('lists models by name and versions by number', async () => {
    for (const path of ['b/10/model.onnx', 'b/9/model.onnx', 'a.x_1-2/1/model.onnx']) await put(path, 'onnx');
    const entries = await source.list();
    assert.deepEqual(
      entries.map((entry) => [entry.name, entry.versions.map((file) => file.version), entry.config]),
      [
        ['a.x_1-2', ['1'], {}],
        ['b', ['9', '10'], {}],
      ],
    );
    const file = entries[1]!.versions[0]!;
    assert.deepEqual([file.path, file.sizeBytes, file.problem], [join(root, 'b/9/model.onnx'), 4, undefined]);
    assert.ok(Math.abs(file.modifiedMs - Date.now()) < 60_000);
  });

  it('is empty while the root is missing and full once it appears', async () => {
    const late = sourceOf(join(root, 'late'));
    assert.deepEqual(await late.list(), []);
    assert.equal(await late.find('a'), undefined);
    await put('late/a/1/model.onnx', 'onnx');
    assert.deepEqual(
      (await late.list()).map((entry) => entry.name),
      ['a'],
    );
  });

  it('ignores folders that are no versions and files that are no models', async () => {
    for (const version of ['0', '01', '-1', '1.5', 'latest', ' 1', '9999999999999999']) {
      await put(`a/${version}/model.onnx`, 'onnx');
    }
    await put('a/2/model.pb', 'other');
    await put('a/3/model.onnx', 'onnx');
    await put('.hidden/1/model.onnx', 'onnx');
    await put('notes/readme.md', 'text');
    await put('README.md', 'text');
    assert.deepEqual(await versionsOf('a'), ['3']);
    assert.deepEqual(
      (await source.list()).map((entry) => entry.name),
      ['a'],
    );
    assert.deepEqual(await versionsOf('notes'), []);
    assert.equal(await source.find('README.md'), undefined);
  });

  it('answers illegal names with undefined, even where they would lead to a model', async () => {
    await put('a/1/model.onnx', 'onnx');
    for (const name of [
      '..',
      '.',
      '',
      '../root',
      'a/1',
      'a/../a',
      './a',
      '%2e%2e',
      'a\0',
      '-a',
      '_a',
      'x'.repeat(129),
    ]) {
      assert.equal(await source.find(name), undefined, JSON.stringify(name));
    }
    assert.equal(await source.find(root), undefined);
  });

  it('reads model.json', async () => {
    await put('a/1/model.onnx', 'onnx');
    await put('a/model.json', '\uFEFF{"sloMs": 20, "labels": {"stable": "1"}}');
    assert.deepEqual((await source.find('a'))?.config, { sloMs: 20, labels: { stable: '1' } });
  });

  it('reports a broken model.json in the entry and keeps the versions', async () => {
    await put('a/1/model.onnx', 'onnx');
    for (const [written, reason] of [
      ['{"sloms": 20}', /no field "sloms"\. Did you mean "sloMs"\?/],
      ['{"sloMs": }', /^model\.json is not valid JSON/],
      ['[]', /must be a JSON object/],
      ['', /^model\.json is not valid JSON/],
    ] as const) {
      await put('a/model.json', written);
      const entry = await source.find('a');
      assert.match(entry?.configError ?? '', reason);
      assert.doesNotMatch(entry?.configError ?? '', new RegExp(folder));
      assert.deepEqual(
        entry?.versions.map((file) => file.version),
        ['1'],
      );
    }
    assert.equal((await source.list()).length, 1);
  });

  it('lists an empty model file, which fails when it is loaded', async () => {
    await put('a/1/model.onnx', '');
    assert.equal((await source.find('a'))?.versions[0]?.sizeBytes, 0);
  });

  it('follows links inside the root and refuses those that leave it', async () => {
    await put('a/1/model.onnx', 'onnx');
    const outside = join(folder, `outside-${Date.now()}.onnx`);
    await writeFile(outside, 'onnx');
    await mkdir(join(root, 'b/1'), { recursive: true });
    await mkdir(join(root, 'b/2'));
    await symlink('../../a/1/model.onnx', join(root, 'b/1/model.onnx'));
    await symlink(outside, join(root, 'b/2/model.onnx'));
    await symlink('../a/1', join(root, 'b/3'));
    await symlink('/proc/self', join(root, 'b/4'));
    const files = (await source.find('b'))!.versions;
    assert.deepEqual(
      files.map((file) => [file.version, file.path, file.problem]),
      [
        ['1', join(root, 'a/1/model.onnx'), undefined],
        ['2', join(root, 'b/2/model.onnx'), 'The file model.onnx leads out of the model repository.'],
        ['3', join(root, 'a/1/model.onnx'), undefined],
      ],
    );
  });

  it('refuses a model folder or a model.json that leads out of the root', async () => {
    const outside = await mkdtemp(join(folder, 'outside-'));
    await mkdir(join(outside, '1'));
    await writeFile(join(outside, '1/model.onnx'), 'onnx');
    await writeFile(join(outside, 'secret.json'), '{"password": "x"}');
    await symlink(outside, join(root, 'a'));
    assert.deepEqual(await source.find('a'), {
      name: 'a',
      versions: [],
      config: {},
      configError: 'The model folder leads out of the model repository.',
    });
    await put('b/1/model.onnx', 'onnx');
    await symlink(join(outside, 'secret.json'), join(root, 'b/model.json'));
    assert.equal((await source.find('b'))?.configError, 'model.json leads out of the model repository.');
  });

  it('allows a root that is itself a link, as mounted volumes have', async () => {
    await put('real/a/1/model.onnx', 'onnx');
    await symlink(join(root, 'real'), join(root, 'linked'));
    assert.equal((await sourceOf(join(root, 'linked')).find('a'))?.versions[0]?.problem, undefined);
  });

  it('refuses FIFOs, folders and loops in the place of files, without hanging', async () => {
    for (const version of ['1', '2', '3']) await mkdir(join(root, 'a', version), { recursive: true });
    execFileSync('mkfifo', [join(root, 'a/1/model.onnx'), join(root, 'a/model.json')]);
    await mkdir(join(root, 'a/2/model.onnx'));
    await symlink('model.onnx', join(root, 'a/3/model.onnx'));
    const entry = (await source.find('a'))!;
    assert.equal(entry.configError, 'model.json is not a regular file.');
    assert.deepEqual(
      entry.versions.map((file) => file.problem),
      [
        'The file model.onnx is not a regular file.',
        'The file model.onnx is a folder.',
        'The file model.onnx is a loop of links.',
      ],
    );
    const fifo: ModelFile = { version: '1', path: join(root, 'a/1/model.onnx'), sizeBytes: 0, modifiedMs: 0 };
    await assert.rejects(source.digest(fifo), {
      code: 'MODEL_FAILED',
      message: 'The model file is not a regular file.',
    });
  });

  it('allows hard links', async () => {
    const original = await put('a/1/model.onnx', 'onnx');
    await mkdir(join(root, 'b/1'), { recursive: true });
    await link(original, join(root, 'b/1/model.onnx'));
    assert.equal((await source.find('b'))?.versions[0]?.problem, undefined);
  });
});

describe('the digest of a model file', () => {
  const sha256 = (contents: string) => createHash('sha256').update(contents).digest('hex');
  const fileOf = async () => (await source.find('a'))!.versions[0]!;

  it('is the SHA-256 of what is there now, also when size and name stay', async () => {
    const large = 'x'.repeat(600_000);
    await put('a/1/model.onnx', large);
    const file = await fileOf();
    assert.deepEqual(await Promise.all([source.digest(file), source.digest(file)]), [sha256(large), sha256(large)]);
    const changed = `y${large.slice(1)}`;
    await put('a/1/model.onnx', changed);
    assert.equal(await source.digest(file), sha256(changed));
    await put('a/1/other', large);
    await rename(join(root, 'a/1/other'), file.path);
    assert.equal(await source.digest(file), sha256(large));
    await truncate(file.path, 0);
    assert.equal(await source.digest(file), sha256(''));
  });

  it('fails clearly, without the path, when the file is gone', async () => {
    await put('a/1/model.onnx', 'onnx');
    const file = await fileOf();
    await rm(file.path);
    await assert.rejects(source.digest(file), { code: 'MODEL_FAILED', message: 'The model file is gone.' });
  });
});

describe('watching the real folder', () => {
  /** Collects reports until `names` were all reported, then stops watching. */
  function watchFor(from: FilesystemModelSource, names: string[], act: () => Promise<unknown>): Promise<string[][]> {
    return new Promise((resolve, reject) => {
      const reports: string[][] = [];
      const stop = from.watch((changed) => {
        reports.push([...changed]);
        if (!names.every((name) => reports.flat().includes(name))) return;
        stop();
        resolve(reports);
      });
      onTimerSet = () => {
        onTimerSet = () => {};
        act().catch(reject);
      };
    });
  }

  it('reports new, changed and removed models, and no others', async () => {
    for (const name of ['changed', 'removed', 'quiet', 'configured']) await put(`${name}/1/model.onnx`, 'onnx');
    const reports = await watchFor(source, ['changed', 'removed', 'new', 'configured'], async () => {
      await put('changed/2/model.onnx', 'onnx');
      await rm(join(root, 'removed'), { recursive: true });
      await put('new/1/model.onnx', 'onnx');
      await put('configured/model.json', '{}');
      await put('.hidden/1/model.onnx', 'onnx');
    });
    assert.deepEqual([...new Set(reports.flat())].sort(), ['changed', 'configured', 'new', 'removed']);
  });

  it('sees a root that appears later', async () => {
    const late = sourceOf(join(root, 'late'));
    const reports = await watchFor(late, ['a'], () => put('late/a/1/model.onnx', 'onnx'));
    assert.deepEqual(reports, [['a']]);
  });
});
