/**
 * Strings as the protocol's BYTES elements: each a little-endian uint32 length and then so many bytes of UTF-8. Used for raw
 * inputs, gRPC's bytes_contents and binary outputs. Strings of the engine are text, so bytes that are no UTF-8 are refused.
 */
import { isUtf8 } from 'node:buffer';
import { invalidInput } from '../../core/errors.ts';
import { expectedAt } from './field-errors.ts';

/** Exactly `count` elements that fill `bytes`. @throws INVALID_INPUT naming the element that is cut off or no UTF-8. */
export function readElements(field: string, bytes: Uint8Array, count: number): string[] {
  const { buffer, byteOffset, byteLength } = bytes as Uint8Array<ArrayBuffer>;
  // Before anything is allocated: a huge shape with a short body must not claim memory.
  if (count * 4 > byteLength) {
    throw expectedAt(field, `at least ${count * 4} bytes for ${count} BYTES elements`, `${byteLength} bytes`);
  }
  const view = new DataView(buffer, byteOffset, byteLength);
  const texts = new Array<string>(count);
  let offset = 0;
  for (let index = 0; index < count; index++) {
    if (offset + 4 > byteLength) throw cutOff(field, index, byteLength);
    const length = view.getUint32(offset, true);
    offset += 4;
    if (length > byteLength - offset) throw cutOff(field, index, byteLength);
    texts[index] = readText(field, bytes.subarray(offset, offset + length), index);
    offset += length;
  }
  if (offset === byteLength) return texts;
  throw expectedAt(field, `${offset} bytes for its ${count} BYTES elements`, `${byteLength} bytes`);
}

/** One element's bytes as text. @throws INVALID_INPUT. */
export function readText(field: string, bytes: Uint8Array, index: number): string {
  if (!isUtf8(bytes)) {
    throw invalidInput(
      `${field}[${index}]`,
      `${field}[${index}]: the bytes are not valid UTF-8; string tensors hold text`,
      'UTF-8',
    );
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8');
}

/** Length-prefixed UTF-8 of all strings, one after the other. */
export function writeElements(texts: readonly string[]): Buffer {
  let size = 0;
  for (const text of texts) size += 4 + Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(size);
  let offset = 0;
  for (const text of texts) {
    const length = bytes.write(text, offset + 4);
    bytes.writeUInt32LE(length, offset);
    offset += 4 + length;
  }
  return bytes;
}

function cutOff(field: string, index: number, byteLength: number): Error {
  return invalidInput(
    `${field}[${index}]`,
    `${field}[${index}]: the BYTES element is cut off; its uint32 length or its bytes end beyond the ${byteLength} bytes of the input`,
    'a uint32 length and so many bytes',
  );
}
