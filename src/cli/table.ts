/** Aligned columns for the terminal, two spaces apart. Called by `config`, `models` and `predict`. Must never cut a value. */
import type { Style } from './terminal.ts';

export function renderTable(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  style: Pick<Style, 'bold'>,
): string {
  const widths = headers.map((header, column) =>
    Math.max(header.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (cells: readonly string[]) =>
    headers
      .map((_, column) => (cells[column] ?? '').padEnd(widths[column]!))
      .join('  ')
      .trimEnd();
  return [style.bold(line(headers)), ...rows.map(line)].join('\n');
}
