import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import sharp from 'sharp';
import { parseImageRecipe } from './image-recipe.ts';
import { readPicture } from './read-picture.ts';

/** 4 wide and 2 high: left half red, right half blue. */
const raw = Buffer.from([0, 1].flatMap(() => [0, 1, 2, 3].flatMap((x) => (x < 2 ? [255, 0, 0] : [0, 0, 255]))));
let png: Buffer;

before(async () => {
  png = await sharp(raw, { raw: { width: 4, height: 2, channels: 3 } })
    .png()
    .toBuffer();
});

const read = async (file: Uint8Array, recipe: string, width: number, height: number, channels: 1 | 3 = 3) => {
  const pixels = await readPicture(file, { channels, width, height }, parseImageRecipe(recipe));
  assert.equal(pixels.length, width * height * channels);
  return (x: number, y: number) => [...pixels.subarray((y * width + x) * channels, (y * width + x + 1) * channels)];
};
const [red, blue, grey] = [
  [255, 0, 0],
  [0, 0, 255],
  [114, 114, 114],
];

describe('a picture', () => {
  it('is stretched, cut or padded to the size of the model', async () => {
    const stretched = await read(png, 'raw', 8, 8);
    assert.deepEqual([stretched(0, 0), stretched(7, 7)], [red, blue]);
    const covered = await read(png, 'raw,fit=cover', 2, 2);
    assert.deepEqual([covered(0, 0), covered(1, 1)], [red, blue]);
    const boxed = await read(png, 'yolo', 4, 4);
    assert.deepEqual([boxed(0, 0), boxed(0, 1), boxed(3, 2), boxed(3, 3)], [grey, red, blue, grey]);
    const corner = await read(png, 'yolox', 4, 4);
    assert.deepEqual([corner(0, 0), corner(3, 1), corner(0, 2)], [red, blue, grey]);
  });

  it('loses its edge where only the middle is wanted', async () => {
    // 8 of 16 pixels in the middle of a white picture with a black edge of 2.
    const framed = await sharp({ create: { width: 12, height: 12, channels: 3, background: '#fff' } })
      .extend({ top: 2, bottom: 2, left: 2, right: 2, background: '#000' })
      .png()
      .toBuffer();
    const middle = await read(framed, 'raw,fit=cover,crop=0.5', 8, 8);
    assert.deepEqual(
      [middle(0, 0), middle(7, 7)],
      [
        [255, 255, 255],
        [255, 255, 255],
      ],
    );
  });

  it('is turned as its EXIF says', async () => {
    // Orientation 6: the camera was held to the right; the left half ends on top.
    const turned = await sharp(png).jpeg({ quality: 100 }).withMetadata({ orientation: 6 }).toBuffer();
    const pixel = await read(turned, 'raw', 2, 4);
    assert.ok(pixel(0, 0)[0]! > 200 && pixel(0, 0)[2]! < 60, `top ${pixel(0, 0)}`);
    assert.ok(pixel(0, 3)[2]! > 200 && pixel(0, 3)[0]! < 60, `bottom ${pixel(0, 3)}`);
  });

  it('may be grey, of 16 bits, or partly transparent, which is black', async () => {
    const light = await read(await sharp(png).greyscale().png().toBuffer(), 'raw', 4, 2);
    assert.equal(new Set(light(0, 0)).size, 1);
    const dark = await read(png, 'grey', 4, 2, 1);
    assert.ok(dark(0, 0)[0]! > dark(3, 0)[0]!, 'red is lighter than blue');
    const deep = await read(await sharp(png).toColourspace('rgb16').png().toBuffer(), 'raw', 4, 2);
    assert.deepEqual([deep(0, 0), deep(3, 0)], [red, blue]);
    const clear = await sharp({
      create: { width: 4, height: 4, channels: 4, background: { r: 255, g: 9, b: 9, alpha: 0 } },
    })
      .png()
      .toBuffer();
    assert.deepEqual((await read(clear, 'raw', 4, 4))(1, 1), [0, 0, 0]);
  });

  it('is refused when it is none, broken, too large or absent', async () => {
    const size = { channels: 3, width: 2, height: 2 } as const;
    const refuses = (file: Uint8Array | string, message: RegExp, limits = {}) =>
      assert.rejects(readPicture(file, size, parseImageRecipe('raw'), limits), { code: 'INVALID_INPUT', message });
    await refuses(Buffer.from('not a picture'), /no picture of a kind/);
    await refuses(Buffer.alloc(0), /picture/);
    await refuses('/nowhere/at/all.png', /^The picture is not there\.$/);
    const large = await sharp({ create: { width: 300, height: 300, channels: 3, background: '#123' } })
      .jpeg()
      .toBuffer();
    await refuses(large.subarray(0, large.length / 2), /cannot be decoded/);
    await refuses(large, /more than 0.01 million pixels/, { mostPixels: 10_000 });
  });
});
