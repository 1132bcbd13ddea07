/**
 * Pixels as the numbers of a tensor. Called for every picture that is fed to a model. Pure; one table look-up per value, because the loop
 * runs over half a million of them.
 */
import type { Tensor } from '../core/tensor.ts';
import { allocate } from '../core/tensor.ts';
import { floatToHalf } from '../onnx-file/small-floats.ts';
import type { ImageInput } from './image-input.ts';
import type { ImageRecipe } from './image-recipe.ts';

/** Of the model's size, channels interleaved: RGB, or grey. */
export type Pixels = Uint8Array;

export class PixelPacker {
  readonly #input: ImageInput;
  /** Channel of the picture for each channel of the tensor. */
  readonly #source: readonly number[];
  /** The tensor's value for each value of a pixel, per channel of the tensor. */
  readonly #tables: readonly (Float32Array | Uint16Array | Uint8Array)[];

  constructor(input: ImageInput, recipe: ImageRecipe) {
    this.#input = input;
    this.#source = input.channels === 1 ? [0] : recipe.colours === 'bgr' ? [2, 1, 0] : [0, 1, 2];
    this.#tables = this.#source.map((_, channel) => tableOf(input, recipe, channel));
  }

  /** @param pictures at least one, each of height x width x channels bytes @returns [pictures, ...] in the input's layout */
  pack(pictures: readonly Pixels[]): Tensor {
    const { datatype, layout, channels, height, width } = this.#input;
    const area = height * width;
    const data = allocate(datatype, pictures.length * channels * area) as Float32Array<ArrayBuffer>;
    for (const [row, pixels] of pictures.entries()) {
      const start = row * channels * area;
      for (const [channel, table] of this.#tables.entries()) {
        let from = this.#source[channel]!;
        const step = layout === 'nchw' ? 1 : channels;
        let to = start + (layout === 'nchw' ? channel * area : channel);
        for (let pixel = 0; pixel < area; pixel++, from += channels, to += step) data[to] = table[pixels[from]!]!;
      }
    }
    const dims = layout === 'nchw' ? [channels, height, width] : [height, width, channels];
    return { datatype, shape: [pictures.length, ...dims], data };
  }
}

function tableOf({ datatype }: ImageInput, { scale, mean, std }: ImageRecipe, channel: number) {
  const [shift, deviation] = [mean[channel] ?? mean[0]!, std[channel] ?? std[0]!];
  const values = Float64Array.from({ length: 256 }, (_, pixel) => (pixel * scale - shift) / deviation);
  if (datatype === 'float16') return Uint16Array.from(values, floatToHalf);
  if (datatype === 'uint8') return Uint8Array.from(values, (value) => Math.max(0, Math.min(255, Math.round(value))));
  return Float32Array.from(values);
}
