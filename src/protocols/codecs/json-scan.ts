/**
 * A cheap look at JSON bytes before anything parses them: nesting depth and the number of lists, objects and keys, which
 * JSON.parse does not limit (it takes seconds for a few megabytes of brackets). Also finds where a long body may be cut.
 */
import { isAscii } from 'node:buffer';
import { HotpathError, invalidInput } from '../../core/errors.ts';

/** Lists, objects and keys one body may hold; a million arrays are about 100 MB of heap. */
export const maxJsonParts = 1_000_000;
/** Values one body may hold; growing a longer list alone stops the loop for tens of milliseconds. */
export const maxJsonValues = 2_000_000;
/** Names in one object; a million make the hash table rehash for 200 ms. */
export const maxJsonNames = 10_000;

const open: Record<number, number> = { 93: 0x5b, 125: 0x7b };

/**
 * The number of keys in a small body; its bytes or-ed together are added times 2^24, so that one number tells both and nothing
 * is allocated. @throws INVALID_INPUT when nested deeper than `maxDepth`.
 */
export function scanSmall(bytes: Uint8Array, maxDepth: number): number {
  let depth = 0;
  let keys = 0;
  let high = 0;
  let inText = false;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!;
    high |= byte;
    if (inText) {
      if (byte === 0x5c) i++;
      else if (byte === 0x22) inText = false;
    } else if (byte === 0x22) inText = true;
    else if (byte === 0x3a) keys++;
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > maxDepth) throw tooDeep(maxDepth);
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return keys + high * smallKeysLimit;
}

/** Shorter bodies are looped over faster than five searches are called. */
const minCountedBytes = 256;
const maxCounted = 64;

/**
 * The same by searching for single bytes, which the runtime does many at a time: 1 us instead of 11 for 512 numbers. Colons
 * and brackets inside texts count as well, so the keys may be too many, never too few. -1 when it cannot tell: the body
 * is short, or may be nested deeper than `maxDepth`.
 */
export function scanByCounting(bytes: Buffer, maxDepth: number): number {
  if (bytes.length < minCountedBytes) return -1;
  const keys = countByte(bytes, 0x3a);
  if (keys > maxCounted) return -1;
  if (countByte(bytes, 0x5b) + countByte(bytes, 0x7b) > Math.min(maxDepth, maxCounted)) return -1;
  return keys + (isAscii(bytes) ? 0 : 0x80) * smallKeysLimit;
}

/** How often `byte` stands in `bytes`; counting ends above `maxCounted`. */
function countByte(bytes: Buffer, byte: number): number {
  let count = 0;
  for (let at = bytes.indexOf(byte); at >= 0 && count <= maxCounted; at = bytes.indexOf(byte, at + 1)) count++;
  return count;
}

/** More keys than a small body can hold. */
export const smallKeysLimit = 2 ** 24;

/** Bytes that one call of `scan` looks at when no comma comes; 2 to 4 ms. */
const maxScanBytes = 1024 * 1024;

/** A resumable scanner that stops where a long body may be cut. */
export class JsonScanner {
  readonly #bytes: Uint8Array;
  readonly #maxDepth: number;
  /** Opening brackets around the current position. */
  readonly stack: number[] = [];
  /** Where the latest key of each open object starts, and its colon: two numbers per level. */
  readonly keyAt: number[] = [];
  /** Names so far in each open object. */
  readonly #names: number[] = [];
  keys = 0;
  #commas = 0;
  #parts = 0;
  #highBits = 0;
  #inText = false;
  #textStart = 0;
  position = 0;

  constructor(bytes: Uint8Array, maxDepth: number) {
    this.#bytes = bytes;
    this.#maxDepth = maxDepth;
  }

  /** True while every byte seen was ASCII: the body can then be read as latin1, which is a plain copy. */
  get ascii(): boolean {
    return this.#highBits < 0x80;
  }

  /**
   * Scans on and stops behind the first comma at or after `cutAfter`, or at the end of the body. False when neither has come
   * within 1 MiB: call again, after a turn of the event loop. @throws INVALID_INPUT when too deep, PAYLOAD_TOO_LARGE.
   */
  scan(cutAfter: number): boolean {
    const bytes = this.#bytes;
    const limit = Math.min(bytes.length, this.position + maxScanBytes);
    let atComma = false;
    const { stack } = this;
    let inText = this.#inText;
    let textStart = this.#textStart;
    let high = this.#highBits;
    let commas = this.#commas;
    let i = this.position;
    for (; i < limit; i++) {
      const byte = bytes[i]!;
      high |= byte;
      if (inText) {
        if (byte === 0x5c) i++;
        else if (byte === 0x22) inText = false;
      } else if (byte === 0x2c) {
        commas++;
        if (i >= cutAfter) {
          i++;
          atComma = true;
          break;
        }
      } else if (byte === 0x22) {
        inText = true;
        textStart = i;
      } else if (byte === 0x3a) {
        this.keys++;
        this.keyAt[2 * stack.length] = textStart;
        this.keyAt[2 * stack.length + 1] = i;
        if (++this.#names[stack.length]! > maxJsonNames) throw tooMany(`${maxJsonNames} names in one object`);
      } else if (byte === 0x5b || byte === 0x7b) {
        stack.push(byte);
        this.#names[stack.length] = 0;
        this.#parts++;
        if (stack.length > this.#maxDepth) throw tooDeep(this.#maxDepth);
      } else if (byte === 0x5d || byte === 0x7d) {
        // A wrong closer is left for JSON.parse to report; here it only must not confuse the stack.
        if (stack.at(-1) === open[byte]) stack.pop();
      }
    }
    this.position = Math.min(i, bytes.length);
    this.#inText = inText;
    this.#textStart = textStart;
    this.#highBits = high;
    this.#commas = commas;
    if (this.#parts + this.keys > maxJsonParts) throw tooMany(`${maxJsonParts} lists, objects and names`);
    if (commas >= maxJsonValues) throw tooMany(`${maxJsonValues} values`);
    return atComma || this.position === bytes.length;
  }
}

function tooDeep(maxDepth: number): HotpathError {
  return invalidInput('body', `The body is nested deeper than ${maxDepth} levels.`, `at most ${maxDepth} levels`);
}

function tooMany(what: string): HotpathError {
  return new HotpathError(
    'PAYLOAD_TOO_LARGE',
    `The body holds more than ${what}; send large tensors as application/octet-stream.`,
  );
}
