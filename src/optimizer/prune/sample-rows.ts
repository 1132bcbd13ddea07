/**
 * Draws rows for least squares from the values of a model: whole rows for Gemm and MatMul, patches at random places for Conv.
 * The same places are drawn from the input of a layer and from its output in another model. Called by the repair pass.
 */
import type { Random } from '../../ports/clock.ts';
import { paddingOf } from '../graph/padding.ts';
import type { RepairLayer } from './repair-layer.ts';

/** Places per data row, `count` of them, in a picture of `places`. */
export class SamplePlan {
  readonly perRow: number;
  readonly #drawn: Int32Array;

  constructor(rows: number, places: number, wanted: number, random: Random) {
    this.perRow = Math.min(places, Math.max(1, Math.ceil(wanted / rows)));
    const all = this.perRow === places;
    this.#drawn = Int32Array.from({ length: rows * this.perRow }, (_, index) =>
      all ? index % places : Math.floor(random() * places),
    );
  }

  get samples(): number {
    return this.#drawn.length;
  }

  place(row: number, index: number): number {
    return this.#drawn[row * this.perRow + index]!;
  }
}

/** Numbers of places in one row of a layer's output: pixels of a Conv, tokens of a MatMul. */
export function placesOf(layer: RepairLayer, outputShape: readonly number[]): number {
  const axes = layer.kernel === undefined ? outputShape.slice(1, -1) : outputShape.slice(2);
  return axes.reduce((product, size) => product * size, 1);
}

/** Copies the sampled outputs of `rows` data rows, only the channels of `kept`, to `into` [samples, kept]. */
export function sampleOutputs(
  layer: RepairLayer,
  plan: SamplePlan,
  data: Float32Array,
  shape: readonly number[],
  firstRow: number,
  kept: ArrayLike<number>,
  into: Float32Array,
): void {
  const places = placesOf(layer, shape);
  const channels = layer.kernel === undefined ? shape.at(-1)! : shape[1]!;
  const [channelStep, placeStep] = layer.kernel === undefined ? [1, channels] : [places, 1];
  let to = firstRow * plan.perRow * kept.length;
  for (let row = 0; row < shape[0]!; row++) {
    for (let index = 0; index < plan.perRow; index++) {
      const from = row * places * channels + plan.place(firstRow + row, index) * placeStep;
      for (let j = 0; j < kept.length; j++) into[to++] = data[from + kept[j]! * channelStep]!;
    }
  }
}

/** The sampled inputs of `rows` data rows with a 1 for the bias behind each: [samples, inputs + 1]. */
export function sampleInputs(
  layer: RepairLayer,
  plan: SamplePlan,
  data: Float32Array,
  shape: readonly number[],
  outputShape: readonly number[],
  firstRow: number,
): Float32Array<ArrayBuffer> {
  const width = layer.inputs + 1;
  const rows = new Float32Array(shape[0]! * plan.perRow * width);
  const places = placesOf(layer, outputShape);
  const copyPatch = layer.kernel === undefined ? undefined : patchCopier(layer, shape, outputShape);
  let to = 0;
  for (let row = 0; row < shape[0]!; row++) {
    for (let index = 0; index < plan.perRow; index++, to += width) {
      const place = plan.place(firstRow + row, index);
      if (copyPatch !== undefined) copyPatch(data, row, place, rows, to);
      else {
        const from = (row * places + place) * layer.inputs;
        rows.set(data.subarray(from, from + layer.inputs), to);
      }
      rows[to + layer.inputs] = 1;
    }
  }
  return rows;
}

type CopyPatch = (data: Float32Array, row: number, place: number, into: Float32Array, to: number) => void;

/** Zero padding stays zero. */
function patchCopier(
  { node, kernel }: RepairLayer,
  shape: readonly number[],
  outputShape: readonly number[],
): CopyPatch {
  const [, channels, height, width] = shape as [number, number, number, number];
  const [kernelHeight, kernelWidth] = kernel as [number, number];
  const [strideY, strideX] = node.ints('strides', [1, 1]) as [number, number];
  const [dilationY, dilationX] = node.ints('dilations', [1, 1]) as [number, number];
  const [top] = paddingOf(node, 0, kernelHeight, height);
  const [left] = paddingOf(node, 1, kernelWidth, width);
  const outputWidth = outputShape[3]!;
  return (data, row, place, into, to) => {
    const startY = Math.floor(place / outputWidth) * strideY - top;
    const startX = (place % outputWidth) * strideX - left;
    for (let channel = 0; channel < channels; channel++) {
      const plane = (row * channels + channel) * height * width;
      for (let ky = 0; ky < kernelHeight; ky++) {
        const y = startY + ky * dilationY;
        for (let kx = 0; kx < kernelWidth; kx++, to++) {
          const x = startX + kx * dilationX;
          if (y >= 0 && y < height && x >= 0 && x < width) into[to] = data[plane + y * width + x]!;
        }
      }
    }
  };
}
