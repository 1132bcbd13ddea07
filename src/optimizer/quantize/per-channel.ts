/**
 * Weights with one symmetric scale per channel. A tensor is seen as [outer, channels, inner] around its channel axis:
 * axis 0 for Conv and for Gemm with transB, the last for MatMul and Gemm. Called by the quantizing passes. Pure.
 */
import type { Levels } from './affine.ts';
import { int8Levels, symmetric } from './affine.ts';
import { clamp, roundHalfEven } from './round.ts';

export interface ChannelView {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

/** @param axis may count from the end, as -1 */
export function channelView(dims: readonly number[], axis: number): ChannelView {
  const at = axis < 0 ? axis + dims.length : axis;
  const product = (part: readonly number[]): number => part.reduce((count, dim) => count * dim, 1);
  return { outer: product(dims.slice(0, at)), channels: dims[at] ?? 1, inner: product(dims.slice(at + 1)) };
}

/** Largest magnitude of each channel. */
export function channelAbsMax(values: ArrayLike<number>, { outer, channels, inner }: ChannelView): Float32Array {
  const largest = new Float32Array(channels);
  let i = 0;
  for (let block = 0; block < outer; block++) {
    for (let channel = 0; channel < channels; channel++) {
      let top = largest[channel]!;
      for (const end = i + inner; i < end; i++) {
        const magnitude = Math.abs(values[i]!);
        if (magnitude > top) top = magnitude;
      }
      largest[channel] = top;
    }
  }
  return largest;
}

/** Scales of channels by their largest magnitudes; 1 where a channel is all zero. */
export function channelScales(absMax: ArrayLike<number>, levels: Levels = int8Levels): Float32Array<ArrayBuffer> {
  return Float32Array.from(absMax, (top) => symmetric(top, levels).scale);
}

/** Zero point 0 throughout; `scales` has one entry per channel, or a single one for all. */
export function quantizeChannels(
  values: ArrayLike<number>,
  view: ChannelView,
  scales: ArrayLike<number>,
  { low, high }: Levels = int8Levels,
): Int8Array<ArrayBuffer> {
  const quantized = new Int8Array(values.length);
  let i = 0;
  for (let block = 0; block < view.outer; block++) {
    for (let channel = 0; channel < view.channels; channel++) {
      const scale = scales.length === 1 ? scales[0]! : scales[channel]!;
      for (const end = i + view.inner; i < end; i++) {
        quantized[i] = clamp(roundHalfEven(Math.fround(values[i]! / scale)), low, high);
      }
    }
  }
  return quantized;
}

export function dequantizeChannels(
  values: ArrayLike<number>,
  view: ChannelView,
  scales: ArrayLike<number>,
): Float32Array<ArrayBuffer> {
  const reals = new Float32Array(values.length);
  let i = 0;
  for (let block = 0; block < view.outer; block++) {
    for (let channel = 0; channel < view.channels; channel++) {
      const scale = scales.length === 1 ? scales[0]! : scales[channel]!;
      for (const end = i + view.inner; i < end; i++) reals[i] = values[i]! * scale;
    }
  }
  return reals;
}
