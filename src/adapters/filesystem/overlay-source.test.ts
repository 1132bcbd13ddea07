import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { parseModelConfig } from '../../config/model-config.ts';
import { parseLabels } from '../../config/triton/label-file.ts';
import { readTritonConfig, readTritonJson } from '../../config/triton/to-model-config.ts';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import { OverlaySource } from './overlay-source.ts';
import { UploadStore } from './upload-store.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const file = (path: string, text = 'onnx', version = '1') => ({ version, path, bytes: bytes(text) });

let folder: string;
let root: string;
let temporary: string;
let source: OverlaySource;

before(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'overlay-')));
});
after(() => rm(folder, { recursive: true }));
beforeEach(async () => {
  root = await mkdtemp(join(folder, 'root-'));
  temporary = await mkdtemp(join(folder, 'tmp-'));
  const triton = { readConfig: readTritonConfig, readJson: readTritonJson, readLabels: parseLabels };
  const options = { root, parseConfig: parseModelConfig, triton: async () => triton, clock: new SimulatedClock() };
  source = new OverlaySource(options, new UploadStore(temporary));
});

async function put(path: string, contents: string): Promise<void> {
  await mkdir(dirname(join(root, path)), { recursive: true });
  await writeFile(join(root, path), contents);
}

async function load(model: string, config: object, files: Parameters<OverlaySource['prepare']>[2] = []): Promise<void> {
  source.set(model, await source.prepare(model, config, files));
}

describe('an override', () => {
  it('with a configuration alone has the files of the folder, whatever configuration lies there', async () => {
    await put('a/1/model.onnx', 'onnx');
    await put('a/model.json', '{"maxBatchSize": 2}');
    await put('b/1/model.onnx', 'onnx');
    await load('a', { max_batch_size: 16 });
    const entry = await source.find('a');
    assert.deepEqual(entry?.config, { maxBatchSize: 16 });
    assert.deepEqual(
      entry?.versions.map(({ path }) => path),
      [join(root, 'a/1/model.onnx')],
    );
    assert.deepEqual(
      (await source.list()).map(({ name, config }) => [name, config.maxBatchSize]),
      [
        ['a', 16],
        ['b', undefined],
      ],
    );
    source.set('a', undefined);
    assert.deepEqual((await source.find('a'))?.config, { maxBatchSize: 2 });
  });

  it('with files consists of exactly these, also where a folder has the name', async () => {
    await put('b/1/model.onnx', 'old');
    await put('b/2/model.onnx', 'old');
    await load('b', { parameters: {} }, [file('model.onnx', 'new'), file('data/weights', 'w')]);
    await load('a', { default_model_filename: 'net.onnx' }, [file('net.onnx', 'a', '7')]);
    const [a, b] = await source.list();
    assert.deepEqual([a?.name, a?.versions.map(({ version }) => version)], ['a', ['7']]);
    assert.deepEqual([b?.name, b?.versions.map(({ version, sizeBytes }) => [version, sizeBytes])], ['b', [['1', 3]]]);
    assert.equal(await readFile(b!.versions[0]!.path, 'utf8'), 'new');
    assert.equal(await readFile(join(dirname(b!.versions[0]!.path), 'data/weights'), 'utf8'), 'w');
  });

  it('leaves no file behind when it is discarded or the source closes', async () => {
    const first = await source.prepare('a', {}, [file('model.onnx')]);
    const copy = await source.adopt(first);
    await source.discard(first);
    assert.deepEqual(await readdir(dirname(copy.folder!)), ['2']);
    assert.equal(await readFile(join(copy.folder!, 'a/1/model.onnx'), 'utf8'), 'onnx');
    await source.close();
    assert.deepEqual(await readdir(temporary), []);
    await assert.rejects(source.prepare('a', {}, [file('model.onnx')]), { code: 'SHUTTING_DOWN' });
  });

  it('refuses paths that lead elsewhere and files in one place, and keeps nothing of them', async () => {
    const deep = `${'a/'.repeat(8)}b`;
    for (const path of ['../x', 'a/../../x', '/etc/x', '', 'a//b', '.x', 'a\\b', deep]) {
      const sentence = `parameters.file:1/${path}: expected "file:<version>/<file name>".`;
      await assert.rejects(source.prepare('a', {}, [file(path)]), { code: 'INVALID_INPUT', message: sentence });
    }
    await assert.rejects(source.prepare('a', {}, [file('x', '', '../1')]), { code: 'INVALID_INPUT' });
    const many = Array.from({ length: 1001 }, (_, index) => file(`f${index}`));
    await assert.rejects(source.prepare('a', {}, many), { message: /at most 1000 files, got 1001/ });
    for (const pair of [
      [file('x'), file('x')],
      [file('x'), file('x/y')],
      [file('x/y'), file('x')],
    ]) {
      await assert.rejects(source.prepare('a', {}, pair), { code: 'INVALID_INPUT', message: /cannot lie beside/ });
    }
    const [store] = await readdir(temporary);
    assert.deepEqual(await readdir(join(temporary, store!)), []);
  });
});
