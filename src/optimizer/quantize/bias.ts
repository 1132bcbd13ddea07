/**
 * The int32 bias of an integer layer. Its scale is that of the input times that of the weights, so that the runtime adds it
 * to the integer sums as it is. Called by static quantization. Pure.
 */
import { clamp, roundHalfEven } from './round.ts';

/** Room below 2^31 for the sums of products that are added: a bias above would overflow with them. */
const largest = 2 ** 30;

/**
 * Weight scales that leave every bias within int32: raised where a bias is large and its weights are tiny.
 * @returns `scales` itself where nothing has to change
 */
export function scalesForBias(
  scales: Float32Array<ArrayBuffer>,
  inputScale: number,
  bias: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const needed = (index: number): number => Math.abs(bias[index]!) / largest / inputScale;
  if (scales.length === 1) {
    let most = scales[0]!;
    for (let i = 0; i < bias.length; i++) most = Math.max(most, needed(i));
    return most === scales[0] ? scales : Float32Array.of(most * (1 + 1e-6));
  }
  if (scales.every((scale, index) => scale >= needed(index))) return scales;
  return scales.map((scale, index) => (scale >= needed(index) ? scale : needed(index) * (1 + 1e-6)));
}

/** The product as the runtime takes it from the file: float32. */
export function biasScales(scales: Float32Array, inputScale: number): Float32Array<ArrayBuffer> {
  return Float32Array.from(scales, (scale) => inputScale * scale);
}

export function quantizeBias(bias: ArrayLike<number>, scales: ArrayLike<number>): Int32Array<ArrayBuffer> {
  const quantized = new Int32Array(bias.length);
  for (let i = 0; i < bias.length; i++) {
    const scale = scales.length === 1 ? scales[0]! : scales[i]!;
    quantized[i] = clamp(roundHalfEven(bias[i]! / scale), -(2 ** 31), 2 ** 31 - 1);
  }
  return quantized;
}
