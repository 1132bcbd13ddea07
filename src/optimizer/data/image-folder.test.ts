import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import sharp from 'sharp';
import type { TensorSpec } from '../../core/tensor.ts';
import { parseImageRecipe } from '../../vision/image-recipe.ts';
import { loadData } from './load-data.ts';

const folder = mkdtempSync(join(tmpdir(), 'hotpath-pictures-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const input: TensorSpec = { name: 'images', datatype: 'float32', shape: [-1, 3, 2, 2] };
const raw = { recipe: parseImageRecipe('raw') };

async function put(path: string, colour: string): Promise<void> {
  mkdirSync(join(folder, path, '..'), { recursive: true });
  await sharp({ create: { width: 4, height: 4, channels: 3, background: colour } })
    .png()
    .toFile(join(folder, path));
}

const load = (name: string, more = {}) => loadData([input], { path: join(folder, name), image: raw, ...more });
const firstPixels = (rows: Awaited<ReturnType<typeof load>>['rows']) =>
  Array.from({ length: rows.rows }, (_, row) => (rows.slice(row, 1).images!.data as Float32Array)[0]);

describe('a folder of pictures', () => {
  it('gives its pictures by name, each a row, and tells of what it left out', async () => {
    await put('plain/b.png', '#200000');
    await put('plain/a.PNG', '#100000');
    writeFileSync(join(folder, 'plain/c.jpg'), 'broken');
    writeFileSync(join(folder, 'plain/notes.txt'), 'no picture');
    const { rows, title, notes } = await load('plain');
    assert.deepEqual([firstPixels(rows), rows.labels, title], [[16, 32], undefined, 'plain, 2 pictures']);
    assert.match(notes[0]!, /^1 picture was left out\. c\.jpg: This is no picture/);
    assert.deepEqual(rows.slice(0, 2).images!.shape, [2, 3, 2, 2]);
    assert.deepEqual(firstPixels(rows.take([1])), [32]);
  });

  it('with a folder per class gives labels, by the list of names or in the order of the alphabet', async () => {
    await put('classes/dog/1.png', '#030000');
    await put('classes/cat/1.png', '#010000');
    await put('classes/cat/2.png', '#020000');
    const plain = await load('classes');
    assert.deepEqual(
      [firstPixels(plain.rows), [...(plain.rows.labels as Float64Array)]],
      [
        [1, 2, 3],
        [0, 0, 1],
      ],
    );
    const named = await load('classes', { classNames: ['dog', 'bird', 'cat'] });
    assert.deepEqual([[...(named.rows.labels as Float64Array)], named.notes], [[2, 2, 0], []]);
    await assert.rejects(load('classes', { classNames: ['dog', 'bird'] }), /"cat" is none of the 2 class names/);
  });

  it('whose folders are numbers gives those', async () => {
    await put('numbers/7/1.png', '#070000');
    await put('numbers/12/1.png', '#0c0000');
    const { rows } = await load('numbers');
    assert.deepEqual(
      [[...(rows.labels as Float64Array)], firstPixels(rows)],
      [
        [12, 7],
        [12, 7],
      ],
    );
  });

  it('has another digest when a picture changes, or the way it is taken', async () => {
    const before = (await load('plain')).digest;
    assert.equal((await load('plain')).digest, before);
    assert.notEqual((await load('plain', { image: { recipe: parseImageRecipe('unit') } })).digest, before);
    await put('plain/d.png', '#400000');
    assert.notEqual((await load('plain')).digest, before);
  });

  it('is refused when it is empty, says not how it is to be taken, or the model takes no pictures', async () => {
    mkdirSync(join(folder, 'empty'));
    await assert.rejects(load('empty'), /no pictures in "empty" \(\.jpg/);
    await assert.rejects(load('plain', { image: {} }), /Say it with --image\. Choose one of imagenet/);
    await assert.rejects(load('plain', { labels: 'y' }), /names of the folders they are in/);
    const table = { name: 'x', datatype: 'float32', shape: [-1, 4] } as const;
    await assert.rejects(loadData([table], { path: join(folder, 'plain'), image: raw }), /which is no picture/);
    writeFileSync(join(folder, 'empty/a.png'), '');
    await assert.rejects(load('empty'), /No picture could be read\. a\.png/);
  });

  it('is taken with what links in it lead to, or without', async () => {
    await put('linked/a.png', '#050000');
    symlinkSync(join(folder, 'plain/b.png'), join(folder, 'linked/b.png'));
    assert.deepEqual(firstPixels((await load('linked')).rows), [5, 32]);
    const own = await load('linked', { image: { ...raw, followLinks: false } });
    assert.deepEqual(firstPixels(own.rows), [5]);
  });

  it('is given up when asked to', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await assert.rejects(loadData([input], { path: join(folder, 'plain'), image: raw }, { signal }), /enough/);
  });
});
