/** What single cells of a table are: missing, a number, a date. Called by columns.ts. Pure, and independent of the other cells. */

const missingMarks = new Set(['', 'NA', 'N/A', 'NaN', 'nan', 'null', 'NULL', 'None', '?', '-']);
const numberPattern = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;
const commaNumber = /^[+-]?\d+,\d+$/;
const datePatterns = [
  /^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/,
  /^\d{4}\/\d{1,2}\/\d{1,2}( \d{1,2}:\d{2}(:\d{2})?)?$/,
  /^\d{1,2}[./]\d{1,2}[./]\d{2,4}( \d{1,2}:\d{2}(:\d{2})?)?$/,
];

/** A missing number: empty, or one of the usual marks. In a column of text only the empty cell is missing, since NA may be a country. */
export function isMissingNumber(cell: string): boolean {
  return missingMarks.has(cell.trim());
}

/** A finite float32, or undefined. Codes such as 007 are no numbers. A decimal comma counts where commas do not separate. */
export function readNumber(cell: string, decimalComma: boolean): number | undefined {
  let text = cell.trim();
  if (decimalComma && commaNumber.test(text)) text = text.replace(',', '.');
  if (!numberPattern.test(text) || /^[+-]?0\d/.test(text)) return undefined;
  const value = Math.fround(Number(text));
  return Number.isFinite(value) ? value : undefined;
}

export function isDate(cell: string): boolean {
  return datePatterns.some((pattern) => pattern.test(cell.trim()));
}
