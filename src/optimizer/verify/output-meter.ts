/**
 * How far one output of a variant is from the original's, added up run by run. Pure numerics; called by verify.ts and layers.ts.
 * SQNR is 10 log10 of the signal's power over the error's: https://en.wikipedia.org/wiki/Signal-to-quantization-noise_ratio
 */
import type { Tensor } from '../../core/tensor.ts';
import { toNumbers } from '../data/convert.ts';

export interface OutputDifference {
  readonly name: string;
  readonly values: number;
  readonly maxError: number;
  readonly meanError: number;
  /** 1: same direction. */
  readonly cosine: number;
  /** `bestDb` where nothing differs. */
  readonly sqnrDb: number;
  /** Share of the original's variance that the variant misses: 1 - R². Where the last axis is short, mean of its columns. */
  readonly unexplained: number;
  /** Values that are NaN or infinite in one and not in the other. */
  readonly notFinite: number;
}

/** Outputs like [row, box, 85] hold quantities of different scale next to each other. */
const mostColumns = 1024;

/** Beyond what float32 can tell; JSON has no infinity. */
export const bestDb = 200;

interface Sums {
  signal: number;
  square: number;
  error: number;
  count: number;
}

export class OutputMeter {
  readonly #name: string;
  #columns: Sums[] = [];
  #dot = 0;
  #otherSquare = 0;
  #maxError = 0;
  #absolute = 0;
  #notFinite = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** Tensors of the same shape; another shape counts as wholly different. */
  add(original: Tensor, variant: Tensor): void {
    const [left, right] = [toNumbers(this.#name, original), toNumbers(this.#name, variant)];
    if (left.length !== right.length) {
      this.#notFinite += left.length;
      return;
    }
    const width = columnsOf(original.shape);
    while (this.#columns.length < width) this.#columns.push({ signal: 0, square: 0, error: 0, count: 0 });
    for (let index = 0; index < left.length; index++) {
      const [x, y] = [left[index]!, right[index]!];
      if (!Number.isFinite(x) || !Number.isFinite(y)) {
        if (!Object.is(x, y)) this.#notFinite++;
        continue;
      }
      const error = x - y;
      const sums = this.#columns[index % width]!;
      sums.signal += x;
      sums.square += x * x;
      sums.error += error * error;
      sums.count++;
      this.#dot += x * y;
      this.#otherSquare += y * y;
      this.#absolute += Math.abs(error);
      if (Math.abs(error) > this.#maxError) this.#maxError = Math.abs(error);
    }
  }

  result(): OutputDifference {
    const total = { signal: 0, square: 0, error: 0, count: 0 };
    for (const { square, error, count } of this.#columns) {
      total.square += square;
      total.error += error;
      total.count += count;
    }
    return {
      name: this.#name,
      values: total.count,
      maxError: this.#maxError,
      meanError: total.count === 0 ? 0 : this.#absolute / total.count,
      cosine: cosine(this.#dot, total.square, this.#otherSquare),
      sqnrDb: decibels(total.square, total.error),
      unexplained: this.#notFinite > 0 ? 1 : meanUnexplained(this.#columns),
      notFinite: this.#notFinite,
    };
  }
}

export function decibels(signal: number, noise: number): number {
  if (noise === 0) return bestDb;
  return Math.max(-bestDb, Math.min(bestDb, 10 * Math.log10(signal / noise)));
}

function cosine(dot: number, left: number, right: number): number {
  if (left === 0 || right === 0) return left === right ? 1 : 0;
  return dot / Math.sqrt(left * right);
}

/** Columns only where rank 3 or more says that rows of equal things lie below each other. */
function columnsOf(shape: readonly number[]): number {
  const last = shape.at(-1) ?? 1;
  return shape.length >= 3 && last > 0 && last <= mostColumns ? last : 1;
}

/** Columns that never change count only where the variant changes them. */
function meanUnexplained(columns: readonly Sums[]): number {
  let sum = 0;
  let counted = 0;
  for (const { signal, square, error, count } of columns) {
    if (count === 0) continue;
    const variance = Math.max(0, square - (signal * signal) / count);
    if (variance <= 1e-12 * square || variance === 0) {
      if (error <= 1e-6 * square) continue;
      sum += 1;
    } else sum += Math.min(1, error / variance);
    counted++;
  }
  return counted === 0 ? 0 : sum / counted;
}
