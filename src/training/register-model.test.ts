import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { registerModel } from './register-model.ts';

describe('registerModel', () => {
  let dir = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hotpath-register-'));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  const bytes = (value: number) => new Uint8Array([value]);

  it('counts versions up, past gaps, and keeps fields of model.json that it does not set', async () => {
    await mkdir(join(dir, 'm', '7'), { recursive: true });
    await writeFile(join(dir, 'm', '7', 'model.onnx'), bytes(0));
    await writeFile(join(dir, 'm', 'model.json'), '{"sloMs": 5, "classNames": ["old"]}');
    assert.equal(await registerModel(dir, 'm', bytes(1), { classNames: ['a', 'b'] }), '8');
    assert.deepEqual([...(await readFile(join(dir, 'm', '8', 'model.onnx')))], [1]);
    assert.deepEqual(JSON.parse(await readFile(join(dir, 'm', 'model.json'), 'utf8')), {
      sloMs: 5,
      classNames: ['a', 'b'],
    });
    assert.deepEqual((await readdir(join(dir, 'm'))).sort(), ['7', '8', 'model.json']);
  });

  it('gives those who register at once a version each, and loses none', async () => {
    const versions = await Promise.all([1, 2, 3, 4].map((value) => registerModel(dir, 'busy', bytes(value), {})));
    assert.deepEqual(versions.toSorted(), ['1', '2', '3', '4']);
    const stored = await Promise.all(versions.map((version) => readFile(join(dir, 'busy', version, 'model.onnx'))));
    assert.deepEqual(
      stored.map(([value]) => value),
      [1, 2, 3, 4],
    );
  });

  it('touches no model that is configured in a way it does not know', async () => {
    for (const [name, content] of [
      ['config.pbtxt', ''],
      ['model.json', '{"sloMs": '],
      ['model.json', '[]'],
    ] as const) {
      await rm(join(dir, 'odd'), { recursive: true, force: true });
      await mkdir(join(dir, 'odd'));
      await writeFile(join(dir, 'odd', name), content);
      await assert.rejects(registerModel(dir, 'odd', bytes(1), {}), { code: 'INVALID_INPUT' });
      assert.deepEqual(await readdir(join(dir, 'odd')), [name]);
    }
    await assert.rejects(registerModel(dir, '../out', bytes(1), {}), { code: 'INVALID_INPUT' });
  });
});
