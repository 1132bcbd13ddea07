/**
 * Ids of predictions: UUID version 7 (RFC 9562, section 5.7), which sort by time as text and as bytes. Made by the recorder once
 * per logged prediction, read by the routes. The 12 bits after the time count within a millisecond, so the ids of one process
 * increase strictly; 62 random bits keep those of several processes apart. They are no secrets.
 */

/** Fills the array with random bits, as node's randomFillSync does. */
export type FillRandom = (words: Uint32Array<ArrayBuffer>) => unknown;

const maxCount = 0xfff;
/** Random numbers are fetched for so many ids at once: one call of the system's generator costs more than an id. */
const idsPerFill = 512;

/** Text of 12 bits: one look-up per three digits. */
const hex3 = Array.from({ length: 4096 }, (_, bits) => bits.toString(16).padStart(3, '0'));
/** The fourth group: the variant's bits 10, then 14 random ones. */
const variantDigits = ['8', '9', 'a', 'b'] as const;

/** One per process: two could give ids of the same millisecond in any order. */
export class PredictionIds {
  readonly #fillRandom: FillRandom;
  readonly #words = new Uint32Array(2 * idsPerFill);
  #nextWord = 2 * idsPerFill;
  #ms = -1;
  #count = 0;
  /** Everything before the counter. */
  #prefix = '';

  constructor(fillRandom: FillRandom) {
    this.#fillRandom = fillRandom;
  }

  /**
   * The time in the last id. Ahead of the clock after more than 4096 ids in a millisecond, or when the clock was set back: order
   * is worth more than the exact time.
   */
  get lastMs(): number {
    return this.#ms;
  }

  /** `unixMs`: a whole number, at most 48 bits. */
  next(unixMs: number): string {
    if (unixMs > this.#ms) this.#begin(unixMs);
    else if (this.#count === maxCount) this.#begin(this.#ms + 1);
    else this.#count++;
    if (this.#nextWord === this.#words.length) {
      this.#fillRandom(this.#words);
      this.#nextWord = 0;
    }
    const high = this.#words[this.#nextWord]!;
    const low = this.#words[this.#nextWord + 1]!;
    this.#nextWord += 2;
    const fourth = `${variantDigits[high >>> 30]}${hex3[(high >>> 12) & 0xfff]}-`;
    const last = `${hex3[high & 0xfff]}${hex3[low >>> 20]}${hex3[(low >>> 8) & 0xfff]}${hex3[((low & 0xff) << 4) | ((high >>> 24) & 0xf)]}`;
    return `${this.#prefix}${hex3[this.#count]}-${fourth}${last}`;
  }

  #begin(ms: number): void {
    this.#ms = ms;
    this.#count = 0;
    const time = ms.toString(16).padStart(12, '0');
    this.#prefix = `${time.slice(0, 8)}-${time.slice(8)}-7`;
  }
}

/** The id in lower case, or undefined when `text` is no UUID of version 7. */
export function parsePredictionId(text: string): string | undefined {
  if (text.length !== 36) return undefined;
  const id = text.toLowerCase();
  for (let at = 0; at < 36; at++) {
    const code = id.charCodeAt(at);
    const isDash = at === 8 || at === 13 || at === 18 || at === 23;
    if (isDash ? code !== 0x2d : !isHexDigit(code)) return undefined;
  }
  return id[14] === '7' && '89ab'.includes(id[19]!) ? id : undefined;
}

/** Unix milliseconds of a valid id. */
export function predictionIdMs(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** 0-9, a-f. */
function isHexDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66);
}
