/**
 * JSON bytes as plain values for bodies small enough to parse at once; long-json.ts does the others in slices.
 * Beyond JSON.parse: a depth limit, valid UTF-8, no duplicate names, and errors that give the position and echo nothing.
 */
import { isUtf8 } from 'node:buffer';
import { invalidInput } from '../../core/errors.ts';
import { countKeys, refuseDuplicate } from './json-duplicates.ts';
import { scanSmall, smallKeysLimit } from './json-scan.ts';
import { findSyntaxError } from './json-syntax.ts';

/** The worst JSON costs about 60 ns a byte, so this is at most 8 ms in one go. */
export const maxSmallJsonBytes = 128 * 1024;

/** @throws INVALID_INPUT when malformed, too deep or with a name twice; PAYLOAD_TOO_LARGE with too many parts. */
export function readJson(bytes: Buffer, maxDepth: number): unknown {
  const scanned = scanSmall(bytes, maxDepth);
  const text = decodeText(bytes, scanned < 0x80 * smallKeysLimit);
  const value = parseJson(text, 0, text);
  if (countKeys(value) !== scanned % smallKeysLimit) refuseDuplicate(text);
  return value;
}

/** latin1 is a plain copy, several times faster than UTF-8 decoding. @throws INVALID_INPUT on bytes that are no UTF-8. */
export function decodeText(bytes: Buffer, ascii: boolean): string {
  if (ascii) return bytes.toString('latin1');
  if (!isUtf8(bytes)) throw invalidInput('body', 'The body is not valid UTF-8.', 'UTF-8 text');
  return bytes.toString('utf8');
}

/** `source` stands at `position` of the body; both only serve the error message. */
export function parseJson(text: string, position: number, source: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const at = position + findSyntaxError(source);
    throw invalidInput('body', `The body is not valid JSON: unexpected text at position ${at}.`, 'JSON');
  }
}
