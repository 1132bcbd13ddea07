import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { parseModelConfig } from '../../config/model-config.ts';
import { parseLabels } from '../../config/triton/label-file.ts';
import { readTritonConfig } from '../../config/triton/to-model-config.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
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
  const triton = { readConfig: readTritonConfig, readLabels: parseLabels };
  source = new FilesystemModelSource({ root, parseConfig: parseModelConfig, triton, clock: new FakeClock() });
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

  it('is failed for other platforms and for ensembles, in every version it has', async () => {
    await put('py/1/model.py', 'pass');
    await put('py/config.pbtxt', 'backend: "python"');
    await mkdir(join(root, 'all/1'), { recursive: true });
    await put(
      'all/config.pbtxt',
      `platform: "ensemble" ensemble_scheduling { step [
        { model_name: "pre" input_map { key: "a" value: "A" } output_map { key: "b" value: "t" } },
        { model_name: "net" input_map { key: "a" value: "t" } output_map { key: "b" value: "B" } }] }`,
    );
    for (const [name, reason] of [
      [
        'py',
        'config.pbtxt: the backend "python" is not supported; this server runs ONNX models (backend: "onnxruntime").',
      ],
      ['all', 'config.pbtxt describes an ensemble (of pre, net); ensembles are not supported yet.'],
    ] as const) {
      assert.equal(await reasonOf(name), reason);
      assert.deepEqual(
        (await source.find(name))?.versions.map((file) => [file.version, file.problem]),
        [['1', reason]],
      );
    }
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
    const plain = new FilesystemModelSource({ root, parseConfig: parseModelConfig, clock: new FakeClock() });
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
