import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../core/errors.ts';
import { imageInputOf, parseImageSize, pictureSizeOf } from './image-input.ts';
import { imageRecipes, parseImageRecipe } from './image-recipe.ts';
import { PixelPacker } from './pack-pixels.ts';

describe('how a model takes pictures', () => {
  it('has a name, which settings behind it change', () => {
    const { what: _, ...imagenet } = imageRecipes.imagenet!;
    assert.deepEqual(parseImageRecipe('imagenet'), imagenet);
    assert.deepEqual(parseImageRecipe('imagenet, bgr,fit=letterbox,pad=0'), {
      ...imagenet,
      colours: 'bgr',
      fit: 'letterbox',
      pad: 0,
    });
  });

  it('or is written out, with fractions and one value per channel', () => {
    const { scale, mean, std, crop } = parseImageRecipe('scale=1/255,mean=0.1:0.2:0.3,std=0.5,crop=7/8');
    assert.deepEqual([scale, mean, std, crop], [1 / 255, [0.1, 0.2, 0.3], [0.5], 0.875]);
  });

  it('is refused with what was not understood', () => {
    const refuses = (text: string, message: RegExp) => assert.throws(() => parseImageRecipe(text), message);
    refuses('imagnet', /"imagnet" is not known.*imagenet/);
    refuses('unit,std=0', /std must be a number from 1e-9/);
    refuses('unit,mean=1:2', /mean must be one number, or three/);
    refuses('fit=tile', /fit must be one of stretch, cover, letterbox, corner, not "tile"/);
    refuses('scale=1/0', /scale must be a number/);
    refuses('', /"" is not known/);
  });

  it('never fails in another way, whatever is written', () => {
    const part = fc.oneof(
      fc.string(),
      fc.constantFrom('unit', 'bgr', 'std=', 'mean=1:', 'pad=x', 'scale=/', 'fit=cover'),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        try {
          const { mean, std } = parseImageRecipe(parts.join(','));
          assert.ok([...mean, ...std].every(Number.isFinite) && std.every((value) => value > 0));
        } catch (error) {
          assert.ok(error instanceof HotpathError && error.code === 'INVALID_INPUT');
        }
      }),
    );
  });
});

describe('the input that takes pictures', () => {
  const input = (shape: readonly number[], datatype: 'float32' | 'int64' = 'float32') => [
    { name: 'x', datatype, shape },
  ];

  it('is known by its channels, in front or behind', () => {
    const { layout, channels, height, width } = imageInputOf(input([-1, 3, 20, 30]));
    assert.deepEqual([layout, channels, height, width], ['nchw', 3, 20, 30]);
    const behind = imageInputOf(input([1, 20, 30, 1]));
    assert.deepEqual([behind.layout, behind.channels, behind.height, behind.width], ['nhwc', 1, 20, 30]);
    assert.deepEqual(pictureSizeOf([1, 3, 20, 30]), { height: 20, width: 30 });
    assert.equal(pictureSizeOf([1, 300]), undefined);
  });

  it('takes the size it is told where it takes any, and only then', () => {
    const { height, width } = imageInputOf(input([1, 3, -1, -1]), parseImageSize('64x48'));
    assert.deepEqual([height, width], [48, 64]);
    assert.throws(() => imageInputOf(input([1, 3, -1, -1])), /pictures of any size: say which/);
    assert.throws(() => imageInputOf(input([1, 3, 20, 30]), parseImageSize('20x30')), /of 30x20, not 20x30/);
    assert.throws(() => parseImageSize('224'), /width x height such as 224x224, not "224"/);
  });

  it('is not there in other models', () => {
    assert.throws(() => imageInputOf(input([-1, 4])), /float32 \[\?, 4\], which is no picture/);
    assert.throws(() => imageInputOf(input([1, 3, 8, 8], 'int64')), /takes int64/);
    assert.throws(() => imageInputOf([...input([1, 3, 8, 8]), ...input([1])]), /this one has 2/);
  });
});

describe('pixels as numbers', () => {
  // Two pixels: red-ish and blue-ish.
  const pixels = Uint8Array.of(255, 0, 51, 0, 102, 204);
  const pack = (layout: 'nchw' | 'nhwc', recipe: string, datatype: 'float32' | 'float16' | 'uint8' = 'float32') =>
    new PixelPacker({ name: 'x', datatype, layout, channels: 3, height: 1, width: 2 }, parseImageRecipe(recipe)).pack([
      pixels,
      pixels,
    ]);

  it('stand channel by channel, or pixel by pixel, in the order of colours asked for', () => {
    const planes = pack('nchw', 'raw');
    assert.deepEqual(planes.shape, [2, 3, 1, 2]);
    assert.deepEqual([...(planes.data as Float32Array)].slice(6), [255, 0, 0, 102, 51, 204]);
    const swapped = pack('nhwc', 'raw,bgr');
    assert.deepEqual(swapped.shape, [2, 1, 2, 3]);
    assert.deepEqual([...(swapped.data as Float32Array)].slice(0, 6), [51, 0, 255, 204, 102, 0]);
  });

  it('are scaled, and the mean and deviation belong to the channel of the tensor', () => {
    const { data } = pack('nchw', 'bgr,scale=1/255,mean=0.2:0:1,std=1:2:4');
    const expected = [0.2 - 0.2, 0.8 - 0.2, 0, 0.4 / 2, (1 - 1) / 4, (0 - 1) / 4];
    for (const [index, value] of expected.entries()) assert.ok(Math.abs((data as Float32Array)[index]! - value) < 1e-6);
  });

  it('become what the input takes', () => {
    assert.deepEqual([...(pack('nchw', 'unit', 'float16').data as Uint16Array)].slice(0, 2), [0x3c00, 0]);
    assert.deepEqual([...(pack('nchw', 'raw', 'uint8').data as Uint8Array)].slice(0, 2), [255, 0]);
  });
});
