/**
 * Memory for the values of small requests, cut one after the other from blocks: an ArrayBuffer for each row would cost more to make
 * and to collect than reading the numbers. Only for data that is copied into a batch and never handed over as a whole buffer.
 */

/** A request that waits long keeps its block alive, so blocks are small. */
const blockBytes = 16 * 1024;
/** Up to this many bytes V8 keeps a typed array's elements beside it, without a buffer. */
const inlineBytes = 64;

let block = new ArrayBuffer(blockBytes);
let used = 0;

/** Places for `count` floats, with whatever was there before: all must be written. */
export function takeFloats(
  datatype: 'float32' | 'float64',
  count: number,
): Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer> {
  const Floats = datatype === 'float32' ? Float32Array : Float64Array;
  const bytes = count * Floats.BYTES_PER_ELEMENT;
  if (bytes <= inlineBytes || bytes > blockBytes / 4) return new Floats(count);
  if (used + bytes > blockBytes) {
    block = new ArrayBuffer(blockBytes);
    used = 0;
  }
  const floats = new Floats(block, used, count);
  // Rounded up, so that a row of doubles may follow one of floats.
  used += (bytes + 7) & ~7;
  return floats;
}
