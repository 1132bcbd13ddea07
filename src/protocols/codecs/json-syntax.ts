/**
 * Where a text stops being JSON. Runs only after JSON.parse refused it, because V8's message often lacks the position.
 * Plain loops: a regular expression over a string of a million escapes exhausts the stack.
 */

type Expected = 'value' | 'value or end' | 'key' | 'key or end' | 'colon' | 'comma or end' | 'nothing';

const quoteMark = 0x22;
const backslash = 0x5c;
const scalarWords = ['true', 'false', 'null'];

/** Position of the first token that cannot be there; the length of the text when its end comes too early. */
export function findSyntaxError(text: string): number {
  const stack: string[] = [];
  let expected: Expected = 'value';
  for (let position = 0; ; ) {
    const start = skipSpace(text, position);
    if (start === text.length) return start;
    const mark = text[start]!;
    const isMark = '[]{},:'.includes(mark);
    const isText = mark === '"';
    if (isMark) position = start + 1;
    else position = isText ? skipText(text, start) : skipScalar(text, start);
    if (position < 0) return start;
    const next = follow(isMark ? mark : isText ? 'text' : 'value', expected, stack);
    if (next === undefined) return start;
    expected = next;
  }
}

/** Behind the closing quote of the string that opens at `start`; -1 when it is broken or does not end. */
export function skipText(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === quoteMark) return i + 1;
    if (code < 0x20) return -1;
    if (code !== backslash) continue;
    const escaped = text[++i];
    if (escaped === 'u') {
      for (let digit = 0; digit < 4; digit++) if (!isHex(text.charCodeAt(++i))) return -1;
    } else if (escaped === undefined || !'"\\/bfnrt'.includes(escaped)) return -1;
  }
  return -1;
}

function isHex(code: number): boolean {
  const lower = code | 0x20;
  return isDigit(code) || (lower >= 0x61 && lower <= 0x66);
}

/** Behind the number, true, false or null at `start`; -1 when there is none. */
function skipScalar(text: string, start: number): number {
  for (const word of scalarWords) if (text.startsWith(word, start)) return start + word.length;
  const whole = text[start] === '-' ? start + 1 : start;
  let end = text[whole] === '0' ? whole + 1 : skipDigits(text, whole);
  if (end < 0) return -1;
  // Broken fractions and exponents end the number before them; what follows is then the error.
  if (text[end] === '.') end = Math.max(end, skipDigits(text, end + 1));
  if (text[end] !== 'e' && text[end] !== 'E') return end;
  const sign = text[end + 1];
  return Math.max(end, skipDigits(text, sign === '+' || sign === '-' ? end + 2 : end + 1));
}

/** Behind at least one digit, or -1. */
function skipDigits(text: string, start: number): number {
  let end = start;
  while (isDigit(text.charCodeAt(end))) end++;
  return end === start ? -1 : end;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function follow(kind: string, expected: Expected, stack: string[]): Expected | undefined {
  const wantsValue = expected === 'value' || expected === 'value or end';
  if (kind === 'text' && (expected === 'key' || expected === 'key or end')) return 'colon';
  if ((kind === 'text' || kind === 'value') && wantsValue) return afterValue(stack);
  if (kind === ':' && expected === 'colon') return 'value';
  if (kind === ',' && expected === 'comma or end') return stack.at(-1) === '{' ? 'key' : 'value';
  if ((kind === '[' || kind === '{') && wantsValue) {
    stack.push(kind);
    return kind === '[' ? 'value or end' : 'key or end';
  }
  const opener = kind === ']' ? '[' : kind === '}' ? '{' : '';
  const emptyOrFull = expected === 'comma or end' || expected === 'value or end' || expected === 'key or end';
  if (opener === '' || stack.at(-1) !== opener || !emptyOrFull) return undefined;
  stack.pop();
  return afterValue(stack);
}

function afterValue(stack: readonly string[]): Expected {
  return stack.length === 0 ? 'nothing' : 'comma or end';
}

function skipSpace(text: string, start: number): number {
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return i;
  }
  return text.length;
}
