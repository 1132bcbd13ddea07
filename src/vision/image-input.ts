/**
 * Which input of a model takes pictures, and in which layout and size. Called by whoever feeds pictures to a model. Pure.
 */
import { invalidInput } from '../core/errors.ts';
import type { Datatype, TensorSpec } from '../core/tensor.ts';
import { formatShape } from '../core/tensor.ts';

export interface ImageInput {
  readonly name: string;
  readonly datatype: Extract<Datatype, 'float32' | 'float16' | 'uint8'>;
  readonly layout: 'nchw' | 'nhwc';
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
}

export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/**
 * The only input of the model, of rank 4 with 1 or 3 channels in front of or behind height and width.
 * @param size for models that take any
 * @throws INVALID_INPUT when the model takes no pictures, or their size is not known
 */
export function imageInputOf(inputs: readonly TensorSpec[], size?: ImageSize): ImageInput {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1) {
    throw invalidInput('data', `Pictures feed a model with one input; this one has ${inputs.length}.`);
  }
  const { name, datatype, shape } = input;
  const found = layoutOf(shape);
  if (found === undefined || (datatype !== 'float32' && datatype !== 'float16' && datatype !== 'uint8')) {
    throw invalidInput(
      name,
      `Input "${name}" takes ${datatype} ${formatShape(shape)}, which is no picture; expected [batch, 3, height, width] or [batch, height, width, 3].`,
    );
  }
  const { layout, channels, dims } = found;
  const [height, width] = [size?.height ?? dims[0]!, size?.width ?? dims[1]!];
  if (height < 1 || width < 1) {
    throw invalidInput('image', `Input "${name}" takes pictures of any size: say which with --image-size 224x224.`);
  }
  if ((dims[0] !== -1 && height !== dims[0]) || (dims[1] !== -1 && width !== dims[1])) {
    throw invalidInput('image', `Input "${name}" takes pictures of ${dims[1]}x${dims[0]}, not ${width}x${height}.`);
  }
  return { name, datatype, layout, channels, height, width };
}

/** Of one tensor of pictures; undefined when it holds none. */
export function pictureSizeOf(shape: readonly number[]): ImageSize | undefined {
  const found = layoutOf(shape);
  return found && { height: found.dims[0]!, width: found.dims[1]! };
}

function layoutOf(shape: readonly number[]) {
  if (shape.length !== 4) return undefined;
  const isChannels = (dim: number): dim is 1 | 3 => dim === 1 || dim === 3;
  const [, second, third, fourth] = shape as [number, number, number, number];
  if (isChannels(second)) return { layout: 'nchw' as const, channels: second, dims: [third, fourth] };
  if (isChannels(fourth)) return { layout: 'nhwc' as const, channels: fourth, dims: [second, third] };
  return undefined;
}

/** `640x480` is width by height. @throws INVALID_INPUT */
export function parseImageSize(text: string): ImageSize {
  const match = /^(\d{1,5})x(\d{1,5})$/.exec(text.trim());
  const [width, height] = [Number(match?.[1]), Number(match?.[2])];
  if (width >= 1 && height >= 1 && width <= 16_384 && height <= 16_384) return { width, height };
  throw invalidInput('image', `The size of pictures must be width x height such as 224x224, not "${text}".`);
}
