/**
 * When to start the next process after one died: at once, but ever later while they die young. Pure; one per worker slot.
 */

/** A process that lived shorter than this is a sign of a fault that the next one will have too. */
const youngMs = 1000;
const firstDelayMs = 100;
const maxDelayMs = 5000;

export class RestartPolicy {
  #youngDeaths = 0;

  /**
   * @param livedMs from the start of the process to its end.
   * @returns milliseconds to wait: 0 after the first young death, then 100, 200, 400 .. 5000.
   */
  delayAfterDeath(livedMs: number): number {
    if (livedMs >= youngMs) {
      this.#youngDeaths = 0;
      return 0;
    }
    this.#youngDeaths += 1;
    return this.#youngDeaths === 1 ? 0 : Math.min(maxDelayMs, firstDelayMs * 2 ** (this.#youngDeaths - 2));
  }
}
