/**
 * Histogram counters for the hot path: fixed bounds, one typed array, no labels, no allocation per observation (about
 * 10 ns; a labelled observe of a general metrics library costs 250 ns, which adds up over six per request).
 */

/** Upper bounds of durations in milliseconds: 0.5 ms, times 1.5, up to 10 s; rounded to three digits to be readable. */
export const durationBoundsMs: readonly number[] = durationBounds();

/** The same in seconds, as exposed. */
export const durationBoundsSeconds: readonly number[] = durationBoundsMs.map((ms) =>
  Number((ms / 1000).toPrecision(3)),
);

/** Upper bounds of rows per batch: powers of two up to 4096. */
export const rowBounds: readonly number[] = Array.from({ length: 13 }, (_, i) => 2 ** i);

function durationBounds(): number[] {
  const bounds: number[] = [];
  for (let ms = 0.5; ms < 10_000; ms *= 1.5) bounds.push(Number(ms.toPrecision(3)));
  return [...bounds, 10_000];
}

export class BucketCounter {
  readonly #bounds: Float64Array;
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.#bounds = Float64Array.from(bounds);
    this.#counts = new Float64Array(bounds.length + 1);
  }

  /** Counts one value; what is not a positive number counts as 0. */
  observe(value: number): void {
    if (!(value > 0)) value = 0;
    const bounds = this.#bounds;
    // Most values of a fast server lie under the first bound; the rest is a binary search for the first bound >= value.
    let low = 0;
    if (value > (bounds[0] as number)) {
      let high = bounds.length;
      low = 1;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (value <= (bounds[middle] as number)) high = middle;
        else low = middle + 1;
      }
    }
    this.#counts[low] = (this.#counts[low] as number) + 1;
    this.#sum += value;
  }

  get counts(): readonly number[] {
    return [...this.#counts];
  }

  get count(): number {
    return this.#counts.reduce((total, count) => total + count, 0);
  }

  get sum(): number {
    return this.#sum;
  }
}
