/**
 * Writes header blocks without a table of its own: literal fields, never indexed anew, and `:status` by its number where there is
 * one. Most answers use blocks made once, by response-blocks.ts.
 */

const indexedStatus: Readonly<Record<number, number>> = { 200: 0x88, 204: 0x89, 400: 0x8c, 404: 0x8d, 500: 0x8e };
/** Number of `:status` in the static table. */
const statusName = 8;

/** Begins the first block after the client has shrunk the table: we use none of it. */
export const emptyTable = 0x20;

export function encodeStatus(status: number): Buffer {
  const indexed = indexedStatus[status];
  return indexed === undefined ? Buffer.concat([Buffer.of(statusName), string(String(status))]) : Buffer.of(indexed);
}

/** `fields`: lower-case names, values of latin1. */
export function encodeFields(fields: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = [];
  for (const name of Object.keys(fields)) parts.push(Buffer.of(0), string(name), string(fields[name]!));
  return Buffer.concat(parts);
}

function string(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([integer(bytes.length), bytes]);
}

/** With a prefix of seven bits, the eighth being 0. */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.of(value);
  const bytes = [127];
  for (value -= 127; value >= 128; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  bytes.push(value);
  return Buffer.from(bytes);
}
