/**
 * The inside of a quoted string of the protobuf text format: escapes become bytes, bytes become UTF-8 text. Called by
 * text-format.ts for one or several adjacent literals, because an escape may stop in the middle of a character.
 */
import { TextFormatError } from './text-error.ts';
import type { Token } from './text-tokens.ts';

const plainEscapes: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  t: 9,
  n: 10,
  v: 11,
  f: 12,
  r: 13,
  '"': 34,
  "'": 39,
  '?': 63,
  '\\': 92,
};

const escapePattern = /\\(?:([0-7]{1,3})|[xX]([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|([\s\S]))/y;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The text of adjacent string literals: `"ab" 'cd'` is `abcd`.
 * @throws TextFormatError for an unknown escape, a code point that does not exist, and bytes that are no UTF-8.
 */
export function joinStrings(text: string, literals: readonly Token[]): string {
  // Without an escape the literal is its own value; that is nearly always so.
  if (literals.every((literal) => !literal.text.includes('\\'))) {
    return literals.map((literal) => literal.text.slice(1, -1)).join('');
  }
  const bytes = literals.flatMap((literal) => toBytes(text, literal));
  try {
    return decoder.decode(Uint8Array.from(bytes));
  } catch {
    throw new TextFormatError(
      text,
      literals[0]!.offset,
      'the escapes of this string give bytes that are no UTF-8 text.',
    );
  }
}

function toBytes(text: string, literal: Token): number[] {
  const inside = literal.text.slice(1, -1);
  const bytes: number[] = [];
  let at = 0;
  while (at < inside.length) {
    const slash = inside.indexOf('\\', at);
    const end = slash === -1 ? inside.length : slash;
    for (const byte of encoder.encode(inside.slice(at, end))) bytes.push(byte);
    if (slash === -1) break;
    at = slash + readEscape(text, literal.offset + 1 + slash, inside, slash, bytes);
  }
  return bytes;
}

/** Adds the bytes of the escape at `at`; returns its length. */
function readEscape(text: string, offset: number, inside: string, at: number, bytes: number[]): number {
  escapePattern.lastIndex = at;
  const [all, octal, hex, short, long, letter] = escapePattern.exec(inside)!;
  const number = octal === undefined ? hex : octal;
  if (number !== undefined) {
    const byte = Number.parseInt(number, octal === undefined ? 16 : 8);
    if (byte > 255) throw new TextFormatError(text, offset, `the octal escape ${all} is larger than \\377.`);
    bytes.push(byte);
    return all.length;
  }
  if (letter !== undefined) {
    if (!Object.hasOwn(plainEscapes, letter)) throw unknownEscape(text, offset, letter);
    bytes.push(plainEscapes[letter]!);
    return all.length;
  }
  const low = short === undefined ? undefined : lowSurrogateAfter(inside, at + all.length, Number.parseInt(short, 16));
  const code = Number.parseInt((short ?? long)!, 16);
  const point = low === undefined ? code : (code - 0xd800) * 0x400 + (low - 0xdc00) + 0x10000;
  if (point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) {
    throw new TextFormatError(text, offset, `the escape ${all} names no Unicode character.`);
  }
  for (const byte of encoder.encode(String.fromCodePoint(point))) bytes.push(byte);
  return all.length + (low === undefined ? 0 : 6);
}

/** `\ud83d\ude00` is one character written as two escapes. */
function lowSurrogateAfter(inside: string, at: number, high: number): number | undefined {
  if (high < 0xd800 || high > 0xdbff) return undefined;
  const match = /^\\u(d[c-f][0-9a-f]{2})$/i.exec(inside.slice(at, at + 6));
  return match === null ? undefined : Number.parseInt(match[1]!, 16);
}

function unknownEscape(text: string, offset: number, letter: string): TextFormatError {
  const expected = '\\n, \\t, \\", \\\\, an octal number, \\x, \\u or \\U with hexadecimal digits';
  return new TextFormatError(
    text,
    offset,
    `there is no escape ${JSON.stringify(`\\${letter}`)}; expected ${expected}.`,
  );
}
