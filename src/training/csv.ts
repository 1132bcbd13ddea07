/**
 * A strict CSV reader (RFC 4180) for training data: one header line, the same number of cells in every row. Called by the trainers and by
 * table/read-table.ts, which feeds it chunk by chunk. It refuses what it does not understand: no comments, no ragged rows.
 */
import { HotpathError } from '../core/errors.ts';

export interface CsvTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export type Separator = ',' | ';' | '\t';

const maxOpenRecord = 2 ** 24;
const separatorNames = { ',': 'comma', ';': 'semicolon', '\t': 'tab' } as const satisfies Record<Separator, string>;

/**
 * A whole table that is separated by commas.
 * @throws INVALID_INPUT naming the line: unequal cell counts, stray or unclosed quotes, an empty or repeated column name.
 */
export function parseCsv(text: string): CsvTable {
  const rows: string[][] = [];
  const stream = new CsvStream((row) => rows.push(row), { separator: ',', blankEnd: false });
  stream.push(text);
  return { header: stream.finish(), rows };
}

export interface CsvStreamOptions {
  /** @default found in the header: whichever of comma, semicolon and tab stands there most often outside quotes */
  readonly separator?: Separator;
  /** Whether blank lines at the very end are passed over. @default true */
  readonly blankEnd?: boolean;
}

/** Text in, rows out, holding no more than one record. The first record is the header. */
export class CsvStream {
  readonly #onRow: (cells: string[], line: number) => void;
  readonly #blankEnd: boolean;
  #separator: Separator | undefined;
  #header: readonly string[] | undefined;
  #rest = '';
  #line = 1;
  /** Line of the first of the blank lines that may be the end. */
  #blankLine = 0;

  constructor(onRow: (cells: string[], line: number) => void, { separator, blankEnd = true }: CsvStreamOptions = {}) {
    this.#onRow = onRow;
    this.#separator = separator;
    this.#blankEnd = blankEnd;
  }

  /** Undefined before the header was read. */
  get separator(): Separator | undefined {
    return this.#separator;
  }

  /** @throws INVALID_INPUT naming the line. */
  push(chunk: string): void {
    const text = this.#rest + chunk;
    let start = 0;
    for (;;) {
      const end = recordEnd(text, start);
      if (end < 0) break;
      this.#record(text.slice(start, text[end - 1] === '\r' && end > start ? end - 1 : end));
      start = end + 1;
    }
    this.#rest = text.slice(start);
    // Each chunk looks through the open record again, so one that never ends must not grow without end.
    if (this.#rest.length > maxOpenRecord && text.length > chunk.length) throw wrong(this.#line, 'a closing quote');
  }

  /** Reads what has no line end, and returns the header. @throws INVALID_INPUT naming the line. */
  finish(): readonly string[] {
    const last = this.#rest;
    this.#rest = '';
    if (last !== '') this.#record(last);
    if (this.#header === undefined) this.#record('');
    return this.#header!;
  }

  #record(text: string): void {
    const line = this.#line;
    if (this.#header === undefined) {
      const record = text.startsWith('\ufeff') ? text.slice(1) : text;
      this.#separator ??= findSeparator(record);
      this.#header = checkHeader(this.#cells(record));
      return;
    }
    if (text === '' && this.#blankEnd) {
      this.#line++;
      this.#blankLine ||= line;
      return;
    }
    if (this.#blankLine > 0) throw wrong(this.#blankLine, 'a row, not a blank line');
    const cells = this.#cells(text);
    if (cells.length !== this.#header.length) {
      throw new HotpathError(
        'INVALID_INPUT',
        `CSV line ${line}: ${cells.length} cells, expected ${this.#header.length}.`,
      );
    }
    this.#onRow(cells, line);
  }

  #cells(record: string): string[] {
    const separator = this.#separator!;
    if (record.includes('"') || record.includes('\r')) {
      const cells = splitQuoted(record, separator, this.#line);
      for (let at = record.indexOf('\n'); at >= 0; at = record.indexOf('\n', at + 1)) this.#line++;
      this.#line++;
      return cells;
    }
    this.#line++;
    return record.split(separator);
  }
}

/** Place of the line end that closes the record starting at `start`, or -1. Line ends within quotes belong to a cell. */
function recordEnd(text: string, start: number): number {
  let end = text.indexOf('\n', start);
  let quote = text.indexOf('"', start);
  let quoted = false;
  while (end >= 0 && quote >= 0 && (quoted || quote < end)) {
    if (quoted && end < quote) end = text.indexOf('\n', quote);
    quoted = !quoted;
    quote = text.indexOf('"', quote + 1);
  }
  return quoted ? -1 : end;
}

function splitQuoted(record: string, separator: Separator, firstLine: number): string[] {
  const cells: string[] = [];
  let at = 0;
  let line = firstLine;
  for (;;) {
    if (record[at] === '"') {
      const { cell, end } = quotedCell(record, at, line);
      line += cell.split('\n').length - 1;
      cells.push(cell);
      at = end;
      if (at < record.length && record[at] !== separator) {
        throw wrong(line, `a ${separatorNames[separator]} or the end of the line`);
      }
    } else {
      const found = record.indexOf(separator, at);
      const cell = record.slice(at, found < 0 ? record.length : found);
      if (cell.includes('"')) throw wrong(line, 'quotes around the whole cell only');
      if (cell.includes('\r')) throw wrong(line, `a ${separatorNames[separator]} or the end of the line`);
      cells.push(cell);
      at += cell.length;
    }
    if (at >= record.length) return cells;
    at++;
  }
}

function quotedCell(record: string, start: number, line: number): { cell: string; end: number } {
  let cell = '';
  let at = start;
  for (;;) {
    const end = record.indexOf('"', at + 1);
    if (end < 0) throw wrong(line, 'a closing quote');
    cell += record.slice(at + 1, end);
    at = end + 1;
    if (record[at] !== '"') return { cell, end: at };
    cell += '"';
  }
}

function findSeparator(header: string): Separator {
  const bare = header.replace(/"[^"]*"/g, '');
  const countOf = (separator: Separator) => bare.split(separator).length;
  return ([',', ';', '\t'] as const).toSorted((a, b) => countOf(b) - countOf(a))[0]!;
}

function checkHeader(names: readonly string[]): readonly string[] {
  if (names.some((name) => name === '') || new Set(names).size !== names.length) {
    throw new HotpathError('INVALID_INPUT', 'CSV line 1: column names must be present and different.');
  }
  return names;
}

function wrong(line: number, expected: string): HotpathError {
  return new HotpathError('INVALID_INPUT', `CSV line ${line}: expected ${expected}.`);
}
