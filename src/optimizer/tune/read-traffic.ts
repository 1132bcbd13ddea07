/**
 * Recorded arrivals from a file: a CSV with a header and a column of times, or JSON lines with a field of times. Called by server-tune.ts
 * with the text. It finds out by itself whether a number means seconds or milliseconds, and the title says which it took.
 */
import { HotpathError } from '../../core/errors.ts';
import { CsvStream } from '../../training/csv.ts';
import { recordedTraffic, type Traffic } from './traffic.ts';

export type TrafficFormat = 'csv' | 'jsonl';

/** Names of the field, in order of preference; upper and lower case alike. */
const timeFields = ['timestamp', 'time', 'arrival_time', 'arrival', 'ts'];
/** A trace of a whole day is cut: the simulation plays no more. */
export const maxArrivals = 100_000;

interface RawTimes {
  readonly field: string;
  readonly values: readonly (string | number)[];
}

/** @throws INVALID_INPUT saying what is wrong with the file, naming the line. */
export function readTraffic(text: string, format: TrafficFormat): Traffic {
  const { field, values } = format === 'csv' ? fromCsv(text) : fromJsonLines(text);
  const { timesMs, unit } = toMilliseconds(values, field);
  const kept = timesMs.slice(0, maxArrivals);
  const some = kept.length < timesMs.length ? `the first ${kept.length} of ${timesMs.length}` : String(kept.length);
  try {
    return recordedTraffic(kept, `${some} recorded requests (${field}: ${unit})`);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw invalid(`it needs at least two requests at different times; ${field} has ${values.length}`);
  }
}

function fromCsv(text: string): RawTimes {
  const rows: { cells: readonly string[]; line: number }[] = [];
  const stream = new CsvStream((cells, line) => rows.push({ cells, line }));
  stream.push(text.replace(/^\uFEFF/, ''));
  const header = stream.finish();
  const column = findField(header);
  if (column === undefined) {
    throw invalid(`the header has no column of times (${timeFields.join(', ')}), only ${list(header)}`);
  }
  const at = header.indexOf(column);
  return { field: column, values: rows.map(({ cells, line }) => present(cells[at], column, line)) };
}

function fromJsonLines(text: string): RawTimes {
  let field: string | undefined;
  const values: (string | number)[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split('\n')
    .entries()) {
    if (line.trim() === '') continue;
    const record = parseRecord(line, index + 1);
    field ??= findField(Object.keys(record));
    if (field === undefined) {
      throw invalid(
        `line ${index + 1} has no field of times (${timeFields.join(', ')}), only ${list(Object.keys(record))}`,
      );
    }
    values.push(present(Object.hasOwn(record, field) ? record[field] : undefined, field, index + 1));
  }
  if (field === undefined) throw invalid('it is empty');
  return { field, values };
}

function parseRecord(line: string, number: number): Record<string, unknown> {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    throw invalid(`line ${number} is not valid JSON`);
  }
  if (typeof record === 'object' && record !== null && !Array.isArray(record)) return record as Record<string, unknown>;
  throw invalid(`line ${number} is no JSON object`);
}

function findField(names: readonly string[]): string | undefined {
  for (const wanted of timeFields) {
    const found = names.find((name) => name.trim().toLowerCase() === wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

function present(value: unknown, field: string, line: number): string | number {
  if (Number.isFinite(value) || (typeof value === 'string' && value.trim() !== '')) return value as string | number;
  throw invalid(`line ${line} needs a number or a time as ${field}`);
}

function toMilliseconds(values: readonly (string | number)[], field: string): { timesMs: number[]; unit: string } {
  const numbers = values.map((value) => (typeof value === 'number' ? value : plainNumber(value)));
  if (numbers.every((value) => value !== undefined)) {
    const unit = unitOf(numbers);
    return { timesMs: numbers.map((value) => value * msPer[unit]), unit };
  }
  const timesMs = values.map((value, index) => {
    const ms = typeof value === 'string' ? dateMs(value.trim()) : undefined;
    if (ms !== undefined) return ms;
    throw invalid(
      `${field} of request ${index + 1} is neither a number nor a time such as 2026-01-31T12:00:00Z: ${JSON.stringify(value)}`,
    );
  });
  return { timesMs, unit: 'dates' };
}

function plainNumber(text: string): number | undefined {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) && Number.isFinite(Number(text))
    ? Number(text)
    : undefined;
}

const msPer = { seconds: 1000, milliseconds: 1, microseconds: 1e-3, nanoseconds: 1e-6 } as const;
type Unit = keyof typeof msPer;

/**
 * Times since 1970 say their unit by their size: seconds have 10 digits in our days. Smaller numbers count from some start: with
 * fractions they are seconds, and whole numbers are milliseconds.
 */
function unitOf(numbers: readonly number[]): Unit {
  let largest = 0;
  let whole = true;
  for (const value of numbers) {
    largest = Math.max(largest, Math.abs(value));
    whole &&= Number.isInteger(value);
  }
  if (largest >= 1e17) return 'nanoseconds';
  if (largest >= 1e14) return 'microseconds';
  if (largest >= 1e11) return 'milliseconds';
  if (largest >= 1e9) return 'seconds';
  return whole ? 'milliseconds' : 'seconds';
}

/** `2023-11-16 18:15:46.6805900` too: a blank for the T, more digits than a Date keeps, and without a zone UTC. */
function dateMs(text: string): number | undefined {
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?\s*(Z|[+-]\d\d:?\d\d)?$/i.exec(text);
  if (match === null) return undefined;
  const [, day, time, fraction = '', zone = 'Z'] = match;
  const whole = Date.parse(`${day}T${time!.length === 5 ? `${time}:00` : time}${zone.toUpperCase()}`);
  return Number.isNaN(whole) ? undefined : whole + 1000 * Number(`0${fraction}`);
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 8).join(', ');
  return names.length > 8 ? `${shown} ..` : shown;
}

function invalid(what: string): HotpathError {
  return new HotpathError('INVALID_INPUT', `The traffic file cannot be used: ${what}.`, { field: 'traffic' });
}
