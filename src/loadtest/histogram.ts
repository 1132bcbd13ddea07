/**
 * Latency histogram in the manner of HdrHistogram: log-linear buckets, three significant digits, 1 us to 1 h, fixed memory.
 * Used by the load generator, one per worker thread, merged at the end. It never allocates after construction and never drops a
 * sample: what is out of range is counted at the nearest end.
 */

/** 1024 linear steps per power of two: a bucket is at most 1/1024 of its value wide. */
const HALF_BITS = 10;
const HALF = 1 << HALF_BITS;
/** Values up to 2^32 us (71 min) have a bucket; the recorded maximum is one hour. */
const BUCKETS = (32 - HALF_BITS + 1) * HALF;
const MAX_US = 3_600_000_000;

export interface HistogramData {
  /** Occupied buckets only, [index, count] pairs flattened. */
  readonly buckets: readonly number[];
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  /** Counts one latency in microseconds. NaN and negative values count as 0, values over one hour as one hour. */
  record(us: number): void {
    const value = us > 0 ? Math.min(us, MAX_US) : 0;
    const index = indexOf(value);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#count += 1;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }

  /** Adds all samples of `other`; the result is the same as if both had recorded into one. */
  merge(other: LatencyHistogram): void {
    const mine = this.#counts;
    const theirs = other.#counts;
    for (let i = 0; i < BUCKETS; i++) mine[i] = (mine[i] as number) + (theirs[i] as number);
    this.#count += other.#count;
    this.#sum += other.#sum;
    if (other.#min < this.#min) this.#min = other.#min;
    if (other.#max > this.#max) this.#max = other.#max;
  }

  /**
   * The smallest recorded bucket that at least `p` percent of the samples do not exceed, in microseconds, within 0.1 %.
   * @param p percent, 0 to 100. 0 gives the minimum, 100 the maximum. An empty histogram gives 0.
   */
  percentile(p: number): number {
    if (this.#count === 0) return 0;
    if (!(p > 0)) return this.#min;
    if (p >= 100) return this.#max;
    let left = Math.max(1, Math.ceil((p / 100) * this.#count));
    for (let i = 0; i < BUCKETS; i++) {
      left -= this.#counts[i] as number;
      if (left <= 0) return Math.min(Math.max(middleOf(i), this.#min), this.#max);
    }
    return this.#max;
  }

  get count(): number {
    return this.#count;
  }

  /** Exact mean in microseconds; 0 when empty. */
  get mean(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count;
  }

  /** Exact minimum in microseconds; 0 when empty. */
  get min(): number {
    return this.#count === 0 ? 0 : this.#min;
  }

  /** Exact maximum in microseconds; 0 when empty. */
  get max(): number {
    return this.#max;
  }

  reset(): void {
    this.#counts.fill(0);
    this.#count = 0;
    this.#sum = 0;
    this.#min = Number.POSITIVE_INFINITY;
    this.#max = 0;
  }

  /** A plain, small form to post between threads or write to a file; `fromData` restores it, and throws RangeError on a wrong bucket. */
  toData(): HistogramData {
    const buckets: number[] = [];
    for (let i = 0; i < BUCKETS; i++) {
      const count = this.#counts[i] as number;
      if (count > 0) buckets.push(i, count);
    }
    return { buckets, sum: this.#sum, min: this.min, max: this.#max };
  }

  static fromData(data: HistogramData): LatencyHistogram {
    const histogram = new LatencyHistogram();
    for (let i = 0; i + 1 < data.buckets.length; i += 2) {
      const index = data.buckets[i] as number;
      const count = data.buckets[i + 1] as number;
      if (!(index in histogram.#counts)) throw new RangeError(`There is no histogram bucket ${index}.`);
      histogram.#counts[index] = count;
      histogram.#count += count;
    }
    histogram.#sum = data.sum;
    histogram.#min = histogram.#count === 0 ? Number.POSITIVE_INFINITY : data.min;
    histogram.#max = data.max;
    return histogram;
  }
}

/** Below 2048 us one bucket per microsecond; above, the top 11 bits of the value choose the bucket. */
function indexOf(us: number): number {
  const value = us >>> 0;
  const shift = 31 - Math.clz32(value) - HALF_BITS;
  return shift <= 0 ? value : (shift << HALF_BITS) + (value >>> shift);
}

function middleOf(index: number): number {
  if (index < 2 * HALF) return index;
  const shift = (index >> HALF_BITS) - 1;
  const lowest = (HALF + (index & (HALF - 1))) * 2 ** shift;
  return lowest + 2 ** (shift - 1);
}
