/** The file tuning.json of a model's folder: read where it may be, a note where not, and watched. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, beforeEach, describe, it } from 'node:test';
import { parseModelConfig } from '../../config/model-config.ts';
import { readTuning } from '../../config/tuning-file.ts';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import { lookAt } from './fingerprint.ts';
import { FilesystemModelSource } from './model-source.ts';

const machine = { cpu: 'x', cores: 2, runtime: 'y' };
const entry = {
  ...machine,
  modelDigest: 'abc',
  settings: {
    instances: 2,
    intraOpThreads: 1,
    maxBatchSize: 8,
    graphOptimizationLevel: 'all',
    executionProvider: 'cpu',
  },
  sloMs: 100,
  tunedAt: '2026-01-31T12:00:00Z',
};

describe('tuning.json in a model folder', async () => {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'tuned-folder-')));
  const root = join(folder, 'models');
  const path = join(root, 'm', 'tuning.json');
  after(() => rm(folder, { recursive: true }));
  beforeEach(async () => {
    await rm(root, { recursive: true, force: true });
    await mkdir(join(root, 'm', '1'), { recursive: true });
    await writeFile(join(root, 'm', '1', 'model.onnx'), 'onnx');
  });
  const options = { root, parseConfig: parseModelConfig, clock: new SimulatedClock() };
  const source = new FilesystemModelSource({ ...options, readTuning: (text) => readTuning(text, machine) });
  const tuning = async () => (await source.find('m'))!.tuning;

  it('comes with the entry, and without a reader it is ignored', async () => {
    assert.equal(await tuning(), undefined);
    await writeFile(path, JSON.stringify({ version: 1, entries: [entry] }));
    assert.deepEqual(await tuning(), { entries: [entry], others: false });
    assert.equal((await new FilesystemModelSource(options).find('m'))!.tuning, undefined);
  });

  it('is a note and no failure when it cannot be used', async () => {
    const expectProblem = async (pattern: RegExp) => {
      const found = (await source.find('m'))!;
      assert.equal(found.configError, undefined);
      assert.equal(found.versions.length, 1);
      assert.match(found.tuning!.problem!, pattern);
      assert.ok(!found.tuning!.problem!.includes(folder));
      await rm(path, { recursive: true, force: true });
    };
    await writeFile(path, 'nonsense');
    await expectProblem(/^tuning\.json is not used: it is not valid JSON\.$/);
    await mkdir(path);
    await expectProblem(/^The tuning is not used: tuning\.json is not a regular file\.$/);
    execFileSync('mkfifo', [path]);
    await expectProblem(/not a regular file/);
    await writeFile(join(folder, 'outside.json'), JSON.stringify({ version: 1, entries: [entry] }));
    await symlink(join(folder, 'outside.json'), path);
    await expectProblem(/leads out of the model repository/);
    await writeFile(path, '');
    await truncate(path, 9 * 2 ** 20);
    await expectProblem(/is larger than 8 MiB/);
  });

  it('is part of what the watcher compares', async () => {
    const before = (await lookAt(root)).models.get('m');
    await writeFile(path, '{}');
    assert.notEqual((await lookAt(root)).models.get('m'), before);
  });
});
