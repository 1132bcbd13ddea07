/**
 * Labels that are names of classes, as class numbers. Called by the readers of tables, lines and folders. A list of names may come from the
 * model's configuration or a file; without one the names found are numbered in the order of the alphabet, as the usual trainers do it.
 */
import { invalidInput } from '../../core/errors.ts';

export interface NumberedLabels {
  readonly labels: Float64Array;
  /** Undefined where the labels were numbers. */
  readonly classNames: readonly string[] | undefined;
  /** Sentences for the report. */
  readonly notes: readonly string[];
}

/** Where a reader finds labels, and what makes class numbers of them. */
export interface LabelField {
  /** Of a column or field. */
  readonly name: string;
  readonly number: (values: readonly string[]) => ArrayLike<number>;
}

/**
 * @param values numbers or texts, one per row
 * @param known by class number
 * @throws INVALID_INPUT naming a label that is no number and no known class
 */
export function numberLabels(values: readonly string[], known: readonly string[] | undefined): NumberedLabels {
  const numbers = values.map(numberOf);
  // A class may be called "7" and have another number.
  const areNames = known !== undefined && values.every((value) => known.includes(value));
  if (!areNames && numbers.every((value) => value !== undefined)) {
    return { labels: Float64Array.from(numbers), classNames: known, notes: [] };
  }
  if (known !== undefined) {
    const find = classFinder(known);
    return { labels: Float64Array.from(values, find), classNames: known, notes: [] };
  }
  const classNames = [...new Set(values)].sort();
  const places = new Map(classNames.map((name, index) => [name, index]));
  const list = classNames.slice(0, 3).map((name, index) => `${index} ${name}`);
  const note = `Classes are numbered in the order of their names (${list.join(', ')}${classNames.length > 3 ? ' ..' : ''}); give --class-names if the model has them otherwise.`;
  return { labels: Float64Array.from(values, (value) => places.get(value)!), classNames, notes: [note] };
}

function numberOf(text: string): number | undefined {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  return Number.isFinite(value) ? value : undefined;
}

/** By the whole name, its first word (WordNet's `n02123045 tabby, tabby cat`) or one of its parts between commas; case does not matter. */
function classFinder(names: readonly string[]): (label: string) => number {
  const places = new Map<string, number>();
  const put = (key: string, index: number): void => void (places.has(key) || places.set(key, index));
  for (const [index, name] of names.entries()) put(plain(name), index);
  for (const [index, name] of names.entries()) {
    const [first, ...rest] = name.trim().split(/\s+/);
    const isId = /^n\d{8}$/.test(first!);
    if (isId) put(plain(first!), index);
    for (const part of (isId ? rest.join(' ') : name).split(',')) put(plain(part), index);
  }
  return (label) => {
    const found = places.get(plain(label));
    if (found !== undefined) return found;
    const few = names.slice(0, 5).map((name) => `"${name}"`);
    throw invalidInput(
      'labels',
      `"${label.slice(0, 60)}" is none of the ${names.length} class names (${few.join(', ')}${names.length > 5 ? ' ..' : ''}).`,
    );
  };
}

function plain(name: string): string {
  return name.trim().toLowerCase().replaceAll('_', ' ');
}

/**
 * Names by class number from a file: a line each, or JSON (a list, or an object by number).
 * @throws INVALID_INPUT
 */
export function parseClassNames(text: string): string[] {
  const trimmed = text.replace(/^\uFEFF/, '').trim();
  const names = /^[[{]/.test(trimmed) ? namesOfJson(trimmed) : trimmed.split(/\r?\n/).map((line) => line.trim());
  if (names.length < 2 || names.some((name) => name === '')) {
    throw invalidInput('classNames', 'The class names must be two or more, one per line, without empty lines between.');
  }
  return names;
}

function namesOfJson(text: string): string[] {
  const wrong = () =>
    invalidInput('classNames', 'The class names must be a JSON list of texts, or an object of texts by number from 0.');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong();
  }
  const entries = Array.isArray(json) ? json : byNumber(json);
  if (entries === undefined || !entries.every((name) => typeof name === 'string')) throw wrong();
  return entries;
}

function byNumber(json: unknown): unknown[] | undefined {
  const object = json as Record<string, unknown>;
  const count = Object.keys(object).length;
  const names = Array.from({ length: count }, (_, index) => object[String(index)]);
  return names.includes(undefined) ? undefined : names;
}
