/**
 * Names given twice in one object. JSON.parse keeps the last silently; the scan has counted the names of the text, so a
 * parsed value with fewer had some twice. Only then the slow search for the name runs.
 */
import { type HotpathError, invalidInput } from '../../core/errors.ts';
import { skipText } from './json-syntax.ts';
import { quote } from './value-text.ts';

/** Longer texts are not searched: a text of 8 MiB would take 30 ms, or 100 ms before V8 has compiled the loop. */
const maxSearchChars = 1024 * 1024;

/** `value` was parsed from `text`, which holds `names` names. @throws INVALID_INPUT when some object names something twice. */
export function refuseDuplicate(value: unknown, names: number, text: string): void {
  if (hasNames(value, names)) return;
  throw text.length > maxSearchChars ? givenTwice('body', 'A name') : findDuplicate(text);
}

/** Whether `value` has as many names as its text is said to have. */
export function hasNames(value: unknown, names: number): boolean {
  return countNames(value, false) === names || countNames(value, true) === names;
}

/** Names in `value`. Unless `exact`, lists that start with a scalar are taken for lists of scalars, as nearly all are. */
function countNames(value: unknown, exact: boolean): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    if (!exact && typeof value[0] !== 'object') return 0;
    for (const item of value) if (typeof item === 'object') count += countNames(item, exact);
    return count;
  }
  for (const key in value) {
    count++;
    const child = (value as Record<string, unknown>)[key];
    if (typeof child === 'object') count += countNames(child, exact);
  }
  return count;
}

/** Names the first one that stands twice in one object of a valid JSON text. */
function findDuplicate(text: string): HotpathError {
  /** Names so far in each open object; undefined for a list. */
  const objects: (Set<string> | undefined)[] = [];
  let textStart = 0;
  let textEnd = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x22) {
      textStart = i;
      textEnd = skipText(text, i);
      i = textEnd - 1;
    } else if (code === 0x3a) {
      const name = JSON.parse(text.slice(textStart, textEnd)) as string;
      const names = objects.at(-1)!;
      if (names.has(name)) return givenTwice(name.slice(0, 100), `The name ${quote(name)}`);
      names.add(name);
    } else if (code === 0x7b) objects.push(new Set());
    else if (code === 0x5b) objects.push(undefined);
    else if (code === 0x7d || code === 0x5d) objects.pop();
  }
  return givenTwice('body', 'A name');
}

function givenTwice(field: string, what: string): HotpathError {
  return invalidInput(field, `${what} is given twice.`, 'each name once', 'twice');
}
