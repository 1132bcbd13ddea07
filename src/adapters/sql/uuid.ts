/**
 * UUIDs of version 7 as text, as bytes and as points in time (RFC 9562, section 5.7: the first 48 bits are Unix milliseconds). Called
 * by both databases: ids sort by time, so a time range is an id range and no time column or index is needed.
 */

const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** What 48 bits hold. */
const latestMs = 2 ** 48 - 1;

export function isUuid(text: string): boolean {
  return pattern.test(text);
}

/** The least id of a millisecond: smaller than every id made in it, greater than every one made before. */
export function firstIdOf(unixMs: number): string {
  const ms = Math.ceil(Math.min(Math.max(unixMs, 0), latestMs));
  const hex = ms.toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

/** Unix milliseconds. */
export function timeOfId(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

export function uuidToBytes(id: string): Uint8Array {
  return Buffer.from(id.replaceAll('-', ''), 'hex');
}

export function bytesToUuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
