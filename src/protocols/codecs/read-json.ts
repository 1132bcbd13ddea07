/**
 * JSON bytes as plain values for bodies small enough to parse at once; long-json.ts does the others in slices.
 * Beyond JSON.parse: a depth limit, valid UTF-8, no duplicate names, and errors that give the position and echo nothing.
 */
import { isUtf8 } from 'node:buffer';
import { type HotpathError, invalidInput } from '../../core/errors.ts';
import { hasNames, refuseDuplicate } from './json-duplicates.ts';
import { JsonScanner, maxJsonNames, scanByCounting, scanSmall, smallKeysLimit } from './json-scan.ts';
import { findSyntaxError } from './json-syntax.ts';

/** The worst JSON costs about 60 ns a byte, so this is at most 8 ms in one go. */
export const maxSmallJsonBytes = 128 * 1024;

/** @throws INVALID_INPUT when malformed, too deep or with a name twice; PAYLOAD_TOO_LARGE with too many parts. */
export function readJson(bytes: Buffer, maxDepth: number): unknown {
  const counted = scanByCounting(bytes, maxDepth);
  const scanned = counted >= 0 ? counted : scanSmall(bytes, maxDepth);
  const text = decodeText(bytes, scanned < 0x80 * smallKeysLimit);
  const value = parseJson(text);
  if (value === undefined) throw syntaxError(text, 0, 0);
  let keys = scanned % smallKeysLimit;
  // As many colons as names: none was given twice, and none stands in a text. Otherwise only the slower look can tell.
  if (counted < 0 || !hasNames(value, keys)) {
    if (counted >= 0) keys = scanSmall(bytes, maxDepth) % smallKeysLimit;
    refuseDuplicate(value, keys, text);
  }
  // Few bodies have so many names in all; whether one object has is for the slower scanner to say.
  if (keys > maxJsonNames) new JsonScanner(bytes, maxDepth).scan(bytes.length);
  return value;
}

/** latin1 is a plain copy, several times faster than UTF-8 decoding. @throws INVALID_INPUT on bytes that are no UTF-8. */
export function decodeText(bytes: Buffer, ascii: boolean): string {
  if (ascii) return bytes.toString('latin1');
  if (!isUtf8(bytes)) throw invalidInput('body', 'The body is not valid UTF-8.', 'UTF-8 text');
  return bytes.toString('utf8');
}

/** JSON.parse; undefined when it refuses. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Longer texts are not searched for the error: 8 MiB would take 20 ms, or 100 ms before V8 has compiled the loop. */
const maxSearchChars = 1024 * 1024;

/** INVALID_INPUT for text that is no JSON, which begins `before` characters ahead of byte `start` of the body. */
export function syntaxError(text: string, before: number, start: number): HotpathError {
  if (text.length > maxSearchChars) return notJson(`behind position ${start}`);
  const bytesBefore = Buffer.byteLength(text.slice(before, findSyntaxError(text)));
  return notJson(`at position ${start + bytesBefore}`);
}

/** INVALID_INPUT; `where` is `at position 12`, counted in bytes of the body. */
export function notJson(where: string): HotpathError {
  return invalidInput('body', `The body is not valid JSON: unexpected text ${where}.`, 'JSON');
}
