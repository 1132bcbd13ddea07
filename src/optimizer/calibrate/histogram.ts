/**
 * How often values fall where, in a fixed number of bins over a range that grows with the data: when a value lies outside,
 * bins are merged in pairs until it fits, so one pass over the data is enough and memory stays the same.
 * Called by calibration. Pure.
 */
import type { Range } from '../quantize/affine.ts';
import { rangeOf } from '../quantize/affine.ts';

export class Histogram {
  /** Values per bin; bin 0 begins at `start`. */
  readonly counts: Float64Array<ArrayBuffer>;
  #start = 0;
  #width = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  /** @param bins an even number. @default 2048 */
  constructor(bins = 2048) {
    this.counts = new Float64Array(bins);
  }

  get start(): number {
    return this.#start;
  }

  get width(): number {
    return this.#width;
  }

  /** Of all values seen, exactly; 0 and 0 before the first. */
  get range(): Range {
    return this.#min <= this.#max ? { min: this.#min, max: this.#max } : { min: 0, max: 0 };
  }

  /** The middle of a bin, kept within the range. */
  centerOf(bin: number): number {
    return Math.min(Math.max(this.#start + (bin + 0.5) * this.#width, this.#min), this.#max);
  }

  /** Finite values only: callers check. */
  add(values: ArrayLike<number>): void {
    if (values.length === 0) return;
    const range = rangeOf(values);
    this.#widen(range);
    const last = this.counts.length - 1;
    const perUnit = 1 / this.#width;
    for (let i = 0; i < values.length; i++) {
      const bin = Math.floor((values[i]! - this.#start) * perUnit);
      this.counts[bin < last ? Math.max(bin, 0) : last]! += 1;
    }
  }

  #widen({ min, max }: Range): void {
    const empty = this.#min > this.#max;
    this.#min = Math.min(this.#min, min);
    this.#max = Math.max(this.#max, max);
    const bins = this.counts.length;
    if (empty) {
      this.#start = min;
      // A little room, so that the largest value falls into the last bin and constants have a width.
      this.#width = Math.max(((max - min) / bins) * (1 + 1e-9), Math.abs(max) * 1e-12, 1e-37);
      return;
    }
    while (max >= this.#start + bins * this.#width) this.#merge(0);
    while (min < this.#start) {
      this.#merge(bins / 2);
      this.#start -= (bins / 2) * this.#width;
    }
  }

  /** Bins of double width; the old ones move to the half that begins at `offset`. */
  #merge(offset: number): void {
    const { counts } = this;
    const half = counts.length / 2;
    const merged = new Float64Array(half);
    for (let bin = 0; bin < half; bin++) merged[bin] = counts[2 * bin]! + counts[2 * bin + 1]!;
    counts.fill(0);
    counts.set(merged, offset);
    this.#width *= 2;
  }
}
