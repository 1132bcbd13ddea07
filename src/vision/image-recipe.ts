/**
 * How a picture becomes the numbers that a model takes: order of the colours, how it is brought to size, scale, mean and deviation. The
 * usual ways have names; anything else is written out. Called by whoever reads pictures for a model. Pure.
 */
import { invalidInput } from '../core/errors.ts';

export const fits = ['stretch', 'cover', 'letterbox', 'corner'] as const;

/**
 * `stretch` ignores the aspect ratio, `cover` cuts off what is too much around the middle, `letterbox` pads on all sides, `corner` pads
 * on the right and below.
 */
export type Fit = (typeof fits)[number];

export interface ImageRecipe {
  readonly colours: 'rgb' | 'bgr' | 'grey';
  readonly fit: Fit;
  /** Of the shorter side that `cover` keeps: 224 of 256 pixels is 0.875. */
  readonly crop: number;
  /** 0 to 255, of what is padded. */
  readonly pad: number;
  /** value = (pixel * scale - mean) / std, a pixel from 0 to 255. */
  readonly scale: number;
  /** One per channel, in the order of `colours`, or one for all. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const plain: ImageRecipe = { colours: 'rgb', fit: 'stretch', crop: 1, pad: 114, scale: 1, mean: [0], std: [1] };
const unit: ImageRecipe = { ...plain, scale: 1 / 255 };

interface NamedRecipe extends ImageRecipe {
  /** For help and messages. */
  readonly what: string;
}

/** By the names under which people know them. */
export const imageRecipes: Readonly<Record<string, NamedRecipe>> = {
  imagenet: {
    ...unit,
    fit: 'cover',
    crop: 0.875,
    mean: [0.485, 0.456, 0.406],
    std: [0.229, 0.224, 0.225],
    what: 'torchvision: RGB, the middle, ImageNet mean and deviation',
  },
  caffe: {
    ...plain,
    colours: 'bgr',
    fit: 'cover',
    crop: 0.875,
    mean: [103.939, 116.779, 123.68],
    what: 'BGR 0 to 255 less the ImageNet mean',
  },
  unit: { ...unit, what: 'RGB 0 to 1' },
  signed: { ...plain, mean: [127.5], std: [127.5], what: 'RGB -1 to 1' },
  raw: { ...plain, what: 'RGB 0 to 255' },
  yolo: { ...unit, fit: 'letterbox', what: 'YOLOv5, v8 ..: RGB 0 to 1, padded on all sides' },
  yolox: { ...plain, colours: 'bgr', fit: 'corner', what: 'BGR 0 to 255, padded on the right and below' },
};

/**
 * `imagenet`, or settings separated by commas: `bgr`, `fit=letterbox`, `scale=1/255`, `mean=0.5`, `std=0.2:0.3:0.2`; settings after a
 * name change it.
 * @throws INVALID_INPUT naming what is not understood
 */
export function parseImageRecipe(text: string): ImageRecipe {
  const [first = '', ...rest] = text.split(',').map((part) => part.trim());
  const named = Object.hasOwn(imageRecipes, first) ? imageRecipes[first] : undefined;
  const { what: _, ...start } = named ?? { ...plain, what: '' };
  return (named === undefined ? [first, ...rest] : rest).reduce<ImageRecipe>(applySetting, start);
}

function applySetting(recipe: ImageRecipe, setting: string): ImageRecipe {
  const [name = '', value] = setting.split('=', 2);
  if (value === undefined) {
    if (name === 'rgb' || name === 'bgr' || name === 'grey') return { ...recipe, colours: name };
    throw unknown(setting);
  }
  switch (name) {
    case 'fit': {
      const fit = fits.find((known) => known === value);
      if (fit === undefined)
        throw invalidInput('image', `image: fit must be one of ${fits.join(', ')}, not "${value}".`);
      return { ...recipe, fit };
    }
    case 'crop':
      return { ...recipe, crop: numberOf(name, value, 0.1, 1) };
    case 'pad':
      return { ...recipe, pad: numberOf(name, value, 0, 255) };
    case 'scale':
      return { ...recipe, scale: numberOf(name, value, 1e-9, 1e9) };
    case 'mean':
      return { ...recipe, mean: listOf(name, value, -1e9) };
    case 'std':
      return { ...recipe, std: listOf(name, value, 1e-9) };
    default:
      throw unknown(setting);
  }
}

/** Also `1/255`. */
function numberOf(name: string, text: string, least: number, most: number): number {
  const [top, bottom = '1', ...more] = text.split('/').map((part) => part.trim());
  const value = more.length > 0 || top === '' || bottom === '' ? Number.NaN : Number(top) / Number(bottom);
  if (value >= least && value <= most) return value;
  throw invalidInput('image', `image: ${name} must be a number from ${least} to ${most}, not "${text}".`);
}

function listOf(name: string, text: string, least: number): number[] {
  const values = text.split(':').map((part) => numberOf(name, part, least, 1e9));
  if (values.length === 1 || values.length === 3) return values;
  throw invalidInput('image', `image: ${name} must be one number, or three separated by colons, not "${text}".`);
}

function unknown(setting: string): Error {
  return invalidInput('image', `image: "${setting}" is not known. ${describeImageRecipes()}`);
}

/** What there is to choose from, as a sentence. */
export function describeImageRecipes(): string {
  const named = Object.entries(imageRecipes).map(([name, { what }]) => `${name} (${what})`);
  return `Choose one of ${named.join(', ')}; or settings such as "bgr,fit=letterbox,scale=1/255,mean=0.5,std=0.5".`;
}
