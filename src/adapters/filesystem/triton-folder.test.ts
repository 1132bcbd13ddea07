import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { parseModelConfig } from '../../config/model-config.ts';
import { parseLabels } from '../../config/triton/label-file.ts';
import { readTritonConfig, readTritonJson } from '../../config/triton/to-model-config.ts';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import { lookAt } from './fingerprint.ts';
import { FilesystemModelSource } from './model-source.ts';

let folder: string;
let root: string;
let source: FilesystemModelSource;

before(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'triton-folder-')));
});
after(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  root = await mkdtemp(join(folder, 'root-'));
  const triton = { readConfig: readTritonConfig, readJson: readTritonJson, readLabels: parseLabels };
  source = new FilesystemModelSource({
    root,
    parseConfig: parseModelConfig,
    triton: async () => triton,
    clock: new SimulatedClock(),
  });
});

async function put(path: string, contents: string): Promise<string> {
  const full = join(root, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, contents);
  return full;
}

async function reasonOf(name: string): Promise<string> {
  const entry = await source.find(name);
  assert.deepEqual(entry?.config, {});
  assert.ok(!entry?.configError?.includes(folder), 'a path leaks');
  return entry?.configError ?? '';
}

describe('a folder with config.pbtxt', () => {
  it('becomes a model with its settings, its declaration, notes and labels', async () => {
    await put('a/1/model.onnx', 'onnx');
    await put('a/labels.txt', 'cat\r\ndog\n');
    await put(
      'a/config.pbtxt',
      '\uFEFFname: "a" max_batch_size: 4 metric_tags { key: "x" value: "y" } output { name: "y" label_filename: "labels.txt" }',
    );
    const entry = await source.find('a');
    assert.equal(entry?.configError, undefined);
    assert.deepEqual(
      entry?.versions.map((file) => [file.version, file.sizeBytes]),
      [['1', 4]],
    );
    assert.deepEqual(entry?.config, { maxBatchSize: 4, classNames: ['cat', 'dog'] });
    assert.deepEqual(entry?.outputLabels, { y: ['cat', 'dog'] });
    assert.deepEqual(entry?.notes, ['metric_tags has no effect: metrics carry the labels of the server.']);
    assert.deepEqual([entry?.triton?.name, entry?.triton?.maxBatchSize], ['a', 4]);
    assert.deepEqual(await source.list(), [entry]);
  });

  it('gives no class names to the prediction when several outputs have labels', async () => {
    await put('a/1/model.onnx', 'onnx');
    await put('a/x.txt', 'cat');
    await put('a/y.txt', 'dog');
    await put(
      'a/config.pbtxt',
      'output [{ name: "x" label_filename: "x.txt" }, { name: "y" label_filename: "y.txt" }]',
    );
    const entry = await source.find('a');
    assert.equal(entry?.config.classNames, undefined);
    assert.deepEqual(entry?.outputLabels, { x: ['cat'], y: ['dog'] });
  });

  it('finds the file that default_model_filename names', async () => {
    await put('a/1/net.onnx', 'onnx!');
    await put('a/2/model.onnx', 'onnx');
    await put('a/config.pbtxt', 'default_model_filename: "net.onnx"');
    const entry = await source.find('a');
    assert.deepEqual(
      entry?.versions.map((file) => [file.version, file.path]),
      [['1', join(root, 'a/1/net.onnx')]],
    );
  });

  it('is failed beside a model.json', async () => {
    await put('a/1/model.onnx', 'onnx');
    await put('a/model.json', '{}');
    await put('a/config.pbtxt', '');
    assert.equal(await reasonOf('a'), 'The folder holds both model.json and config.pbtxt; keep one of them.');
  });

  it('is failed with line and column when the file is wrong, and keeps its versions', async () => {
    await put('a/1/model.onnx', 'onnx');
    await put('a/config.pbtxt', 'name: "a"\nmax_batch_size 8');
    assert.equal(
      await reasonOf('a'),
      'config.pbtxt, line 2, column 16: expected ":" or "{" after max_batch_size, not "8".',
    );
    assert.deepEqual((await source.find('a'))?.versions.length, 1);
  });

  it('is failed for other platforms, in every version it has', async () => {
    await put('py/1/model.py', 'pass');
    await put('py/config.pbtxt', 'backend: "python"');
    const reason =
      'config.pbtxt: the backend "python" is not supported; this server runs ONNX models (backend: "onnxruntime").';
    assert.equal(await reasonOf('py'), reason);
    assert.deepEqual(
      (await source.find('py'))?.versions.map((file) => [file.version, file.problem]),
      [['1', reason]],
    );
  });

  it('is an ensemble without any file, in the versions it has folders for, or else in version 1', async () => {
    const step = 'model_name: "pre" input_map { key: "a" value: "A" } output_map { key: "b" value: "B" }';
    await put('all/config.pbtxt', `platform: "ensemble" ensemble_scheduling { step { ${step} } }`);
    const versions = async () => (await source.find('all'))?.versions.map(({ version, problem }) => [version, problem]);
    assert.deepEqual(await versions(), [['1', undefined]]);
    for (const version of ['10', '9']) await mkdir(join(root, 'all', version));
    assert.deepEqual(await versions(), [
      ['9', undefined],
      ['10', undefined],
    ]);
    assert.equal((await source.find('all'))?.config.pipeline?.steps[0]?.model, 'pre');
  });

  it('is listed without any version folder, so that somebody can be told', async () => {
    await put('a/config.pbtxt', '');
    assert.deepEqual(
      (await source.list()).map(({ name, versions }) => [name, versions.length]),
      [['a', 0]],
    );
  });

  it('reads the data files that the configuration names, and nothing outside', async () => {
    await put('a/initial_state/zeros', 'abcd');
    await put('secret', 'x');
    assert.deepEqual(Buffer.from(await source.readFile('a', 'initial_state/zeros')).toString(), 'abcd');
    await assert.rejects(source.readFile('a', 'initial_state/ones'), {
      code: 'MODEL_FAILED',
      message: 'The file "initial_state/ones" is absent.',
    });
    await symlink('/etc/hostname', join(root, 'a/initial_state/out'));
    await assert.rejects(source.readFile('a', 'initial_state/out'), {
      message: 'The file "initial_state/out" leads out of the model repository.',
    });
    await assert.rejects(source.readFile('..', 'secret'), { code: 'MODEL_FAILED' });
  });

  it('is failed when a label file is absent, empty, or leads out of the repository', async () => {
    await put('a/1/model.onnx', 'onnx');
    await put('a/config.pbtxt', 'output { name: "y" label_filename: "labels.txt" }');
    const title = 'config.pbtxt: the label file "labels.txt" of the output "y"';
    assert.equal(await reasonOf('a'), `${title} is absent.`);
    await put('a/labels.txt', '\n');
    assert.equal(await reasonOf('a'), 'The label file "labels.txt" is empty; expected one class name per line.');
    await rm(join(root, 'a/labels.txt'));
    await writeFile(join(folder, 'outside.txt'), 'secret');
    await symlink(join(folder, 'outside.txt'), join(root, 'a/labels.txt'));
    assert.equal(await reasonOf('a'), `${title} leads out of the model repository.`);
  });

  it('is failed when config.pbtxt is no file or too large', async () => {
    await mkdir(join(root, 'a/config.pbtxt'), { recursive: true });
    assert.equal(await reasonOf('a'), 'config.pbtxt is not a regular file.');
    await put('b/config.pbtxt', '#'.repeat(2 ** 20 + 1));
    assert.equal(await reasonOf('b'), 'config.pbtxt is larger than 1 MiB.');
  });

  it('is ignored without a reader for it', async () => {
    await put('a/1/model.onnx', 'onnx');
    await put('a/config.pbtxt', 'backend: "python"');
    const plain = new FilesystemModelSource({ root, parseConfig: parseModelConfig, clock: new SimulatedClock() });
    assert.deepEqual((await plain.find('a'))?.config, {});
    assert.equal((await plain.find('a'))?.configError, undefined);
  });

  it('looks different when the configuration or the labels change', async () => {
    await put('a/1/model.onnx', 'onnx');
    const config = await put('a/config.pbtxt', 'name: "a"');
    const labels = await put('a/labels.txt', 'cat');
    const prints = [];
    for (const path of [config, labels]) {
      prints.push((await lookAt(root)).models.get('a'));
      await utimes(path, 1, 1);
    }
    prints.push((await lookAt(root)).models.get('a'));
    assert.equal(new Set(prints).size, 3);
  });
});
