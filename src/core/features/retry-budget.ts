/**
 * Keeps repeated calls to a share of the first ones, so that a source in trouble is not given more of it: each call earns a tenth
 * of a repetition, at most ten are saved up. Owned by feature-fetcher.ts.
 */

/** Of the calls. */
const share = 0.1;
const maxSaved = 10;

export class RetryBudget {
  /** One to begin with: a lost kept-alive connection meets the very first call too. */
  #saved = 1;

  earn(): void {
    this.#saved = Math.min(maxSaved, this.#saved + share);
  }

  /** Whether one more call may be made; it is spent then. */
  spend(): boolean {
    // Tenths do not add up exactly.
    if (this.#saved < 1 - 1e-9) return false;
    this.#saved -= 1;
    return true;
  }
}
