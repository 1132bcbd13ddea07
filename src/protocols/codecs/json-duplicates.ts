/**
 * Names given twice in one object. JSON.parse keeps the last silently; the scan has counted the keys of the text, so a
 * parsed value with fewer keys had duplicates. Only then the slow search for the name runs.
 */
import { invalidInput } from '../../core/errors.ts';
import { quote } from './value-text.ts';

/** Keys of `value` and everything in it. Lists that start with a scalar are taken for lists of scalars. */
export function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    if (typeof value[0] !== 'object') return 0;
    for (const item of value) count += countKeys(item);
    return count;
  }
  for (const key in value) {
    count++;
    const child = (value as Record<string, unknown>)[key];
    if (typeof child === 'object') count += countKeys(child);
  }
  return count;
}

/** @throws INVALID_INPUT naming the first name that stands twice in one object; returns if there is none after all. */
export function refuseDuplicate(text: string): void {
  const token = /"(?:[^"\\]|\\.)*"|[{}[\]:]/g;
  const objects: Set<string>[] = [];
  let last = '';
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [part] = match;
    if (part === '{' || part === '[') objects.push(new Set());
    else if (part === '}' || part === ']') objects.pop();
    else if (part === ':') addName(objects.at(-1), last);
    last = part;
  }
}

function addName(names: Set<string> | undefined, quoted: string): void {
  if (names === undefined) return;
  const name = JSON.parse(quoted) as string;
  if (names.has(name)) {
    const field = name.slice(0, 100);
    throw invalidInput(field, `The name ${quote(name)} is given twice.`, 'each name once', 'twice');
  }
  names.add(name);
}
