/**
 * A CSV file as columns of text, read chunk by chunk. Called by the `train` command; columns.ts then decides what each column is.
 * Messages name lines and columns, never the path.
 */
import { createReadStream } from 'node:fs';
import { HotpathError } from '../../core/errors.ts';
import type { Separator } from '../csv.ts';
import { CsvStream } from '../csv.ts';

export interface TextTable {
  readonly header: readonly string[];
  /** One list of cells per column, as they stand in the file. */
  readonly columns: readonly (readonly string[])[];
  readonly rows: number;
  readonly separator: Separator;
  /** Line of each row in the file. */
  readonly lines: readonly number[];
}

/** @throws INVALID_INPUT when the file is no UTF-8 text, has no rows, or breaks the rules of csv.ts; the error of node:fs when it cannot be read. */
export async function readTable(path: string): Promise<TextTable> {
  return await collectTable(createReadStream(path, { encoding: 'utf8', highWaterMark: 1 << 18 }));
}

/** @see readTable */
export async function collectTable(chunks: AsyncIterable<string> | Iterable<string>): Promise<TextTable> {
  const columns: string[][] = [];
  const lines: number[] = [];
  const stream = new CsvStream((cells, line) => {
    for (let index = 0; index < cells.length; index++) {
      if (columns.length <= index) columns.push([]);
      columns[index]!.push(cells[index]!);
    }
    lines.push(line);
  });
  for await (const chunk of chunks) {
    if (chunk.includes('\ufffd') || chunk.includes('\0')) {
      throw new HotpathError('INVALID_INPUT', `The table is not UTF-8 text (near line ${lines.at(-1) ?? 1}).`);
    }
    stream.push(chunk);
  }
  const header = stream.finish();
  if (lines.length === 0) throw new HotpathError('INVALID_INPUT', 'The table has a header and no rows.');
  return { header, columns, rows: lines.length, separator: stream.separator!, lines };
}
