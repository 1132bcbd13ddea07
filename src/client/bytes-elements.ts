/**
 * Strings as BYTES elements of the Open Inference Protocol: each a little-endian uint32 length and then so many bytes of UTF-8.
 * Used by both clients, for binary and raw tensors.
 */
import { wrongAnswer } from './client-error.ts';
import { type AnyData, bytesOf } from './tensors.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

export function writeElements(texts: readonly string[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  // Three bytes of UTF-8 per UTF-16 unit at most; cut to what was needed.
  for (const text of texts) size += 4 + 3 * text.length;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const text of texts) {
    const { written } = encoder.encodeInto(text, bytes.subarray(at + 4));
    view.setUint32(at, written, true);
    at += 4 + written;
  }
  return bytes.subarray(0, at);
}

/** @throws INVALID_RESPONSE when an element is cut off. */
export function readElements(name: string, bytes: Uint8Array): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.byteLength) {
    const start = at + 4;
    const end = start > bytes.byteLength ? start : start + view.getUint32(at, true);
    if (end > bytes.byteLength) throw wrongAnswer(`The output ${name} is cut off in element ${texts.length}.`);
    texts.push(decoder.decode(bytes.subarray(start, end)));
    at = end;
  }
  return texts;
}

/** The elements of an input as binary and raw requests hold them; numbers are viewed, not copied. */
export function rawBytesOf(data: AnyData): Uint8Array<ArrayBuffer> {
  return isTexts(data) ? writeElements(data) : bytesOf(data);
}

function isTexts(data: AnyData): data is readonly string[] {
  return Array.isArray(data);
}
