import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { storeModel } from './store-model.ts';

describe('storeModel', () => {
  let dir = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hotpath-store-'));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it('writes model and config where the repository expects them and replaces them', async () => {
    await storeModel(dir, 'iris', '1', new Uint8Array([1]), { classNames: ['old'] });
    const path = await storeModel(dir, 'iris', '1', new Uint8Array([2, 3]), { classNames: ['a', 'b'] });
    assert.equal(path, join(dir, 'iris', '1', 'model.onnx'));
    assert.deepEqual([...(await readFile(path))], [2, 3]);
    assert.deepEqual(JSON.parse(await readFile(join(dir, 'iris', 'model.json'), 'utf8')), { classNames: ['a', 'b'] });
    const names = await readdir(dir, { recursive: true });
    assert.deepEqual(names.sort(), ['iris', 'iris/1', 'iris/1/model.onnx', 'iris/model.json']);
  });

  it('leaves no temporary file when the model cannot be put in its place', async () => {
    const blocked = join(dir, 'blocked', '1');
    await mkdir(join(blocked, 'model.onnx'), { recursive: true });
    await assert.rejects(storeModel(dir, 'blocked', '1', new Uint8Array([1])));
    assert.deepEqual(await readdir(blocked), ['model.onnx']);
  });

  it('refuses names and versions that would leave the repository or could not be served', async () => {
    for (const name of ['', '..', '../x', 'a/b', '.hidden', 'a\0b', 'ü']) {
      await assert.rejects(storeModel(dir, name, '1', new Uint8Array()), { code: 'INVALID_INPUT' }, name);
    }
    for (const version of ['', '0', '01', '-1', '1.0', '..', 'latest']) {
      await assert.rejects(storeModel(dir, 'x', version, new Uint8Array()), { code: 'INVALID_INPUT' }, version);
    }
  });
});
