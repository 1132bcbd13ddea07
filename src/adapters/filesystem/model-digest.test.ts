import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ModelDigest } from './model-digest.ts';

function folderWith(files: Readonly<Record<string, string | Buffer>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'hotpath-digest-'));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), content);
  }
  return folder;
}

const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');

test('of a model alone it is the SHA-256 of the file, whatever lies beside it', async (t) => {
  const folder = folderWith({ 'model.onnx': 'graph', 'README.md': 'notes' });
  t.after(() => rmSync(folder, { recursive: true }));
  assert.equal(await new ModelDigest().digest(join(folder, 'model.onnx')), sha256('graph'));
});

test('external data that the file names is part of it: other data or another name gives another digest', async (t) => {
  const folder = folderWith({ 'model.onnx': 'location weights/a.bin', 'weights/a.bin': 'one', 'b.bin': 'unused' });
  t.after(() => rmSync(folder, { recursive: true }));
  const model = join(folder, 'model.onnx');
  const digests = new ModelDigest();
  const first = await digests.digest(model);
  assert.notEqual(first, sha256('location weights/a.bin'));
  assert.equal(await digests.digest(model), first);
  assert.equal(await new ModelDigest().digest(model), first);
  writeFileSync(join(folder, 'b.bin'), 'still unused');
  assert.equal(await digests.digest(model), first);
  writeFileSync(join(folder, 'weights/a.bin'), 'two');
  const second = await digests.digest(model);
  assert.notEqual(second, first);
  rmSync(join(folder, 'weights'), { recursive: true });
  assert.equal(await digests.digest(model), sha256('location weights/a.bin'));
});

test('a name on the border between two readings of the file is found', async (t) => {
  const name = 'external.data';
  for (const offset of [0, 1, 6, name.length]) {
    const content = Buffer.alloc(3 * 2 ** 20, '.');
    content.write(name, 2 ** 20 - offset);
    const folder = folderWith({ 'model.onnx': content, [name]: 'weights' });
    t.after(() => rmSync(folder, { recursive: true }));
    assert.notEqual(await new ModelDigest().digest(join(folder, 'model.onnx')), sha256(content), String(offset));
  }
});
