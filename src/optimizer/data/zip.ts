/**
 * Members of a ZIP archive (.npz): stored and deflated, ZIP64 sizes. Called by load-arrays.ts. It trusts the central directory, checks
 * every length against the file and every member against its CRC, and never makes more bytes than the directory promises.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 */
import { crc32, inflateRawSync } from 'node:zlib';
import { invalidInput } from '../../core/errors.ts';

export interface ZipMember {
  readonly name: string;
  readonly sizeBytes: number;
  /** @throws INVALID_INPUT when the member is damaged. */
  readonly read: () => Uint8Array<ArrayBuffer>;
}

const endSignature = 0x06054b50;
const end64Signature = 0x06064b50;
const locator64Signature = 0x07064b50;
const entrySignature = 0x02014b50;
const localSignature = 0x04034b50;
const endBytes = 22;
const mostCommentBytes = 0xffff;
/** A byte of deflate makes at most 1032. */
const mostDeflation = 1032;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly crc: number;
  readonly compressedBytes: number;
  readonly sizeBytes: number;
  readonly localStart: number;
}

/** @throws INVALID_INPUT when the archive is damaged, encrypted or packed in another way. */
export function readZip(bytes: Uint8Array<ArrayBuffer>): ZipMember[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const members: ZipMember[] = [];
  try {
    let { at, count } = findDirectory(view);
    for (; count > 0; count--) {
      const { entry, next } = readEntry(view, at);
      members.push({ name: entry.name, sizeBytes: entry.sizeBytes, read: () => readMember(view, bytes, entry) });
      at = next;
    }
  } catch (error) {
    // A length that leads out of the file.
    if (error instanceof RangeError) throw damaged('a length leads beyond its end');
    throw error;
  }
  return members;
}

function findDirectory(view: DataView): { at: number; count: number } {
  const lowest = Math.max(0, view.byteLength - endBytes - mostCommentBytes);
  for (let end = view.byteLength - endBytes; end >= lowest; end--) {
    if (view.getUint32(end, true) !== endSignature) continue;
    const count = view.getUint16(end + 10, true);
    const at = view.getUint32(end + 16, true);
    if (count !== 0xffff && at !== 0xffffffff) return { at, count };
    return findDirectory64(view, end);
  }
  throw damaged('it has no directory');
}

function findDirectory64(view: DataView, end: number): { at: number; count: number } {
  const locator = end - 20;
  if (view.getUint32(locator, true) !== locator64Signature) throw damaged('its 64-bit directory is missing');
  const start = Number(view.getBigUint64(locator + 8, true));
  if (view.getUint32(start, true) !== end64Signature) throw damaged('its 64-bit directory is missing');
  return { at: Number(view.getBigUint64(start + 48, true)), count: Number(view.getBigUint64(start + 32, true)) };
}

function readEntry(view: DataView, at: number): { entry: Entry; next: number } {
  if (view.getUint32(at, true) !== entrySignature) throw damaged('its directory is cut off');
  const nameLength = view.getUint16(at + 28, true);
  const extraLength = view.getUint16(at + 30, true);
  const name = textAt(view, at + 46, nameLength);
  if ((view.getUint16(at + 8, true) & 1) !== 0) throw damaged(`"${name}" is encrypted`);
  const sizes = [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)];
  readSizes64(view, at + 46 + nameLength, extraLength, sizes);
  const [sizeBytes, compressedBytes, localStart] = sizes as [number, number, number];
  return {
    entry: {
      name,
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      compressedBytes,
      sizeBytes,
      localStart,
    },
    next: at + 46 + nameLength + extraLength + view.getUint16(at + 32, true),
  };
}

/** Extra field 1 holds, in this order, those of the three that did not fit into 32 bits. */
function readSizes64(view: DataView, start: number, length: number, sizes: number[]): void {
  for (let at = start; at + 4 <= start + length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    let place = at + 4;
    for (const [index, size] of sizes.entries()) {
      if (size !== 0xffffffff) continue;
      sizes[index] = Number(view.getBigUint64(place, true));
      place += 8;
    }
    return;
  }
}

function readMember(view: DataView, bytes: Uint8Array<ArrayBuffer>, entry: Entry): Uint8Array<ArrayBuffer> {
  const { name, method, compressedBytes, sizeBytes, localStart } = entry;
  if (localStart + 30 > bytes.length || view.getUint32(localStart, true) !== localSignature) {
    throw damaged(`"${name}" is not where the directory says`);
  }
  const start = localStart + 30 + view.getUint16(localStart + 26, true) + view.getUint16(localStart + 28, true);
  const packed = bytes.subarray(start, start + compressedBytes);
  if (packed.length !== compressedBytes) throw damaged(`"${name}" is cut off`);
  const content = method === 0 ? packed : method === 8 ? inflate(name, packed, sizeBytes) : undefined;
  if (content === undefined)
    throw damaged(`"${name}" is packed with method ${method}; stored and deflated can be read`);
  if (content.length !== sizeBytes || crc32(content) !== entry.crc)
    throw damaged(`"${name}" does not fit its checksum`);
  return content;
}

function inflate(name: string, packed: Uint8Array, sizeBytes: number): Uint8Array<ArrayBuffer> {
  if (sizeBytes > packed.length * mostDeflation) throw damaged(`"${name}" cannot have the size it promises`);
  try {
    const { buffer, byteOffset, length } = inflateRawSync(packed, { maxOutputLength: Math.max(1, sizeBytes) });
    return new Uint8Array(buffer as ArrayBuffer, byteOffset, length);
  } catch {
    throw damaged(`"${name}" cannot be unpacked`);
  }
}

function textAt(view: DataView, at: number, length: number): string {
  if (at + length > view.byteLength) throw damaged('a name is cut off');
  return Buffer.from(view.buffer, view.byteOffset + at, length).toString('utf8');
}

function damaged(what: string): Error {
  return invalidInput('data', `The archive cannot be read: ${what}.`);
}
