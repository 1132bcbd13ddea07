/**
 * A small strict CSV reader (RFC 4180) for training data: one header line, the same number of cells in every row.
 * It refuses what it does not understand and never guesses: no comments, no blank lines, no other separators.
 */
import { HotpathError } from '../core/errors.ts';

export interface CsvTable {
  readonly header: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** @throws INVALID_INPUT naming the line: unequal cell counts, stray or unclosed quotes, an empty or repeated column name. */
export function parseCsv(text: string): CsvTable {
  const scanner = new CsvScanner(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  const header = scanner.row();
  if (header.some((name) => name === '') || new Set(header).size !== header.length) {
    throw new HotpathError('INVALID_INPUT', 'CSV line 1: column names must be present and different.');
  }
  const rows: string[][] = [];
  while (!scanner.atEnd) {
    const line = scanner.line;
    const row = scanner.row();
    if (row.length !== header.length) {
      throw new HotpathError('INVALID_INPUT', `CSV line ${line}: ${row.length} cells, expected ${header.length}.`);
    }
    rows.push(row);
  }
  return { header, rows };
}

class CsvScanner {
  readonly #text: string;
  #offset = 0;
  line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  get atEnd(): boolean {
    return this.#offset >= this.#text.length;
  }

  /** The cells up to the end of the line, which is consumed. */
  row(): string[] {
    const cells: string[] = [];
    for (;;) {
      cells.push(this.#text[this.#offset] === '"' ? this.#quotedCell() : this.#plainCell());
      if (this.#text[this.#offset] !== ',') break;
      this.#offset++;
    }
    if (this.#text[this.#offset] === '\r') this.#offset++;
    if (!this.atEnd && this.#text[this.#offset] !== '\n') throw this.#error('a comma or the end of the line');
    this.#offset++;
    this.line++;
    return cells;
  }

  #plainCell(): string {
    const start = this.#offset;
    while (!this.atEnd && !',\r\n'.includes(this.#text[this.#offset]!)) {
      if (this.#text[this.#offset] === '"') throw this.#error('quotes around the whole cell only');
      this.#offset++;
    }
    return this.#text.slice(start, this.#offset);
  }

  #quotedCell(): string {
    let cell = '';
    for (;;) {
      const end = this.#text.indexOf('"', this.#offset + 1);
      if (end < 0) throw this.#error('a closing quote');
      cell += this.#text.slice(this.#offset + 1, end);
      this.#offset = end + 1;
      if (this.#text[this.#offset] !== '"') break;
      cell += '"';
    }
    this.line += cell.split('\n').length - 1;
    return cell;
  }

  #error(expected: string): HotpathError {
    return new HotpathError('INVALID_INPUT', `CSV line ${this.line}: expected ${expected}.`);
  }
}
