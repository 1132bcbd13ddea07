/**
 * What Python and Triton's clients write into lists of numbers and JSON.parse refuses or rounds: bare NaN and Infinity, and
 * integers of 16 digits and more. Quoted, they mean the same to the tensor readers. Runs only after the plain way has failed.
 */

const openList = 0x5b;
const openObject = 0x7b;
const closers = [0x5d, 0x7d];
const quoteMark = 0x22;
const backslash = 0x5c;
const words = ['NaN', 'Infinity', '-Infinity'];

/** Doubles hold every integer of 15 digits. */
const wideDigits = 16;

/** Only inside lists, so that parameters and fields keep their types. Undefined when there is nothing to quote. */
export function quoteOddNumbers(text: string): string | undefined {
  const parts: string[] = [];
  /** Opening brackets around the position. */
  const around: number[] = [];
  let done = 0;
  for (let i = 0; i < text.length; ) {
    const code = text.charCodeAt(i);
    let end = i + 1;
    if (code === quoteMark) end = skipText(text, i);
    else if (code === openList || code === openObject) around.push(code);
    else if (closers.includes(code)) around.pop();
    else if (around.at(-1) === openList && startsNumber(code)) {
      end = skipNumber(text, i);
      if (isOdd(text.slice(i, end))) {
        parts.push(text.slice(done, i), '"', text.slice(i, end), '"');
        done = end;
      }
    }
    i = end;
  }
  return parts.length === 0 ? undefined : parts.join('') + text.slice(done);
}

/** A digit, a minus, N or I. */
function startsNumber(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2d || code === 0x4e || code === 0x49;
}

/** Up to the next comma, bracket or blank. */
function skipNumber(text: string, start: number): number {
  let end = start;
  while (end < text.length && !',]} \n\r\t'.includes(text[end]!)) end++;
  return end;
}

function isOdd(token: string): boolean {
  return words.includes(token) || (token.length >= wideDigits && /^-?\d{16,}$/.test(token));
}

/** Behind the closing quote. */
function skipText(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === backslash) i++;
    else if (code === quoteMark) return i + 1;
  }
  return text.length;
}
