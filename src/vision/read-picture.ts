/**
 * Decodes a picture and brings it to a model's size. Called by whoever feeds pictures to a model; the only file that knows the decoder,
 * which is loaded with the first picture. Never decodes what is larger than it was told to.
 */
import type { Sharp, SharpOptions } from 'sharp';
import { HotpathError } from '../core/errors.ts';
import type { ImageInput } from './image-input.ts';
import type { ImageRecipe } from './image-recipe.ts';
import type { Pixels } from './pack-pixels.ts';

export interface PictureLimits {
  /** Width x height of the file. @default 100 million */
  readonly mostPixels?: number;
}

const defaultPixels = 100_000_000;

/** Endings of what can be decoded. */
export const pictureKinds = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif'] as const;

/**
 * @param file bytes or path; turned as its EXIF says, alpha on black, of animations the first frame
 * @throws INVALID_INPUT when it cannot be decoded or is too large; the sentence says nothing of where it lies
 */
export async function readPicture(
  file: Uint8Array | string,
  input: Pick<ImageInput, 'channels' | 'height' | 'width'>,
  recipe: ImageRecipe,
  { mostPixels = defaultPixels }: PictureLimits = {},
): Promise<Pixels> {
  const { default: open } = await import('sharp');
  const options: SharpOptions = { limitInputPixels: mostPixels, failOn: 'error', autoOrient: true };
  try {
    const fitted = fit(open(file, options), input, recipe);
    const coloured = fitted.removeAlpha().toColourspace(input.channels === 1 ? 'b-w' : 'srgb');
    const { data, info } = await coloured.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    const expected = input.height * input.width * input.channels;
    if (info.width !== input.width || info.height !== input.height || data.length !== expected) {
      throw new HotpathError('INVALID_INPUT', `The picture decoded to ${info.width}x${info.height}x${info.channels}.`);
    }
    return data;
  } catch (error) {
    if (error instanceof HotpathError) throw error;
    throw new HotpathError('INVALID_INPUT', explain((error as Error).message, mostPixels));
  }
}

function fit(picture: Sharp, { height, width }: ImageSize, { fit, crop, pad }: ImageRecipe): Sharp {
  // As the training frameworks do it: bilinear on the whole picture, not on one already shrunk by the JPEG decoder.
  const how = { kernel: 'linear', fastShrinkOnLoad: false } as const;
  const background = { r: pad, g: pad, b: pad };
  const flat = picture.flatten({ background: '#000' });
  switch (fit) {
    case 'stretch':
      return flat.resize(width, height, { ...how, fit: 'fill' });
    case 'cover': {
      const [largerWidth, largerHeight] = [Math.round(width / crop), Math.round(height / crop)];
      const covered = flat.resize(largerWidth, largerHeight, { ...how, fit: 'cover' });
      const left = (largerWidth - width) >> 1;
      const top = (largerHeight - height) >> 1;
      return covered.extract({ left, top, width, height });
    }
    case 'letterbox':
      return flat.resize(width, height, { ...how, fit: 'contain', background });
    case 'corner':
      return flat.resize(width, height, { ...how, fit: 'contain', position: 'left top', background });
  }
}

type ImageSize = Pick<ImageInput, 'height' | 'width'>;

function explain(message: string, mostPixels: number): string {
  if (/pixel limit/.test(message)) return `The picture has more than ${mostPixels / 1e6} million pixels.`;
  if (/missing|no such file|ENOENT/i.test(message)) return 'The picture is not there.';
  if (/unsupported image format|unknown/i.test(message)) return 'This is no picture of a kind that can be decoded.';
  return `The picture cannot be decoded: ${message.split('\n')[0]!.replace(/^.*?: /, '')}.`;
}
