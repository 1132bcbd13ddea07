/**
 * Learns what a batch costs: duration = perRowMs * rows + fixedMs, by exponentially weighted least squares.
 * One per shape bucket; seeded by the warm-up sweep, fed by every batch, read by admission and dispatch. Pure arithmetic.
 */

/** Weight of yesterday: after 35 batches an observation counts half. */
const steadyDecay = 0.98;
/**
 * When a batch takes less than half of what was expected, a slow phase is over: no noise makes a run that fast. Then
 * yesterday is forgotten within ten batches, because a model thought slow is given few batches to prove otherwise.
 */
const recoveryDecay = 0.75;
/** An observation above this multiple of the prediction is clipped: a descheduled thread is no news about the model. */
const outlierFactor = 4;
const outlierSlackMs = 0.1;
/** Below this relative spread of batch sizes a slope cannot be told from noise, and only the level is learned. */
const minSpread = 0.15;

export class CostModel {
  #weight = 0;
  #sumX = 0;
  #sumY = 0;
  #sumXX = 0;
  #sumXY = 0;
  #perRowMs: number;
  #fixedMs: number;
  #relativeError = 0.1;

  /** @param prior what to believe before the first observation. */
  constructor(prior: { perRowMs: number; fixedMs: number } = { perRowMs: 0, fixedMs: 1 }) {
    this.#perRowMs = prior.perRowMs;
    this.#fixedMs = prior.fixedMs;
  }

  get perRowMs(): number {
    return this.#perRowMs;
  }

  get fixedMs(): number {
    return this.#fixedMs;
  }

  /** Mean absolute deviation from the prediction, as a fraction of it, at most 1. */
  get relativeError(): number {
    return this.#relativeError;
  }

  /** The expected duration of a batch of `rows`, in milliseconds. */
  expectMs(rows: number): number {
    return this.#perRowMs * rows + this.#fixedMs;
  }

  /** A careful estimate: two mean deviations above the expectation. */
  estimateMs(rows: number): number {
    return (this.#perRowMs * rows + this.#fixedMs) * (1 + 2 * this.#relativeError);
  }

  observe(rows: number, durationMs: number): void {
    const first = this.#weight === 0;
    const expected = this.expectMs(rows);
    const decay = !first && durationMs < expected / 2 ? recoveryDecay : steadyDecay;
    if (!first) {
      const deviation = Math.min(1, Math.abs(durationMs - expected) / Math.max(expected, 1e-6));
      this.#relativeError = decay * this.#relativeError + (1 - decay) * deviation;
      durationMs = Math.min(durationMs, outlierFactor * expected + outlierSlackMs);
    }
    this.#weight = decay * this.#weight + 1;
    this.#sumX = decay * this.#sumX + rows;
    this.#sumY = decay * this.#sumY + durationMs;
    this.#sumXX = decay * this.#sumXX + rows * rows;
    this.#sumXY = decay * this.#sumXY + rows * durationMs;
    this.#fit();
  }

  /** A model of the same shape for another bucket whose rows are `scale` times as large. */
  scaled(scale: number): CostModel {
    return new CostModel({ perRowMs: this.#perRowMs * scale, fixedMs: this.#fixedMs });
  }

  #fit(): void {
    const meanX = this.#sumX / this.#weight;
    const meanY = this.#sumY / this.#weight;
    const variance = this.#sumXX / this.#weight - meanX * meanX;
    if (variance < (minSpread * meanX) ** 2) {
      // All batches have about one size: keep the known shape and move its level.
      const level = meanY / Math.max(this.expectMs(meanX), 1e-9);
      this.#perRowMs *= level;
      this.#fixedMs *= level;
      return;
    }
    const slope = (this.#sumXY / this.#weight - meanX * meanY) / variance;
    const intercept = meanY - slope * meanX;
    if (slope <= 0) {
      this.#perRowMs = 0;
      this.#fixedMs = meanY;
    } else if (intercept < 0) {
      this.#perRowMs = this.#sumXY / this.#sumXX;
      this.#fixedMs = 0;
    } else {
      this.#perRowMs = slope;
      this.#fixedMs = intercept;
    }
  }
}
