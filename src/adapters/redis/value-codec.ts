/**
 * How an answer lies in Redis: a header of 16 bytes with its expiry by Redis' clock, so that one MGET tells values and what is left
 * of their time, then the bytes, compressed where that is worth it. Pure. Whatever cannot be read is absent, never an error.
 */
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import type { StoredValue } from '../../ports/cache-store.ts';

/** Magic, coding, length of the bytes before compression, expiry in Unix milliseconds. */
const headerBytes = 16;
const magic = 0x4850;
const version = 1;

const codings = { raw: 0, zstd: 1, deflate: 2 } as const;

/** Shorter values save nothing that counts. */
const minCompressBytes = 1024;
/** What compresses on the event loop, in 0.1 ms at most; a thread costs 0.2 ms more but no time of others. */
const maxSyncBytes = 16 * 1024;
/** Random floats compress to 0.9: not worth the time to read them. */
const worthwhile = 0.8;

/** Absent from Node before 22.15. */
const hasZstd = typeof zlib.zstdCompressSync === 'function';
const fastZstd = hasZstd
  ? { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1, [zlib.constants.ZSTD_c_checksumFlag]: 1 } }
  : {};
const fastDeflate = { level: 1 };

/** A promise for large values only. */
export function encodeValue(value: Uint8Array, expiresMs: number): Buffer | Promise<Buffer> {
  const { byteLength } = value;
  if (byteLength < minCompressBytes) return pack(codings.raw, byteLength, expiresMs, value);
  const choose = (compressed: Uint8Array) =>
    compressed.byteLength <= byteLength * worthwhile
      ? pack(hasZstd ? codings.zstd : codings.deflate, byteLength, expiresMs, compressed)
      : pack(codings.raw, byteLength, expiresMs, value);
  if (byteLength > maxSyncBytes) return compressAsync(value).then(choose);
  return choose(hasZstd ? zlib.zstdCompressSync(value, fastZstd) : zlib.deflateRawSync(value, fastDeflate));
}

/**
 * A promise for large compressed values only. The value owns its memory: a view of what came from the socket would keep all of it.
 *
 * @param maxBytes a header that claims more is not believed
 */
export function decodeValue(
  stored: Buffer,
  nowMs: number,
  maxBytes: number,
): StoredValue | undefined | Promise<StoredValue | undefined> {
  if (stored.length < headerBytes || stored.readUInt16BE(0) !== magic || stored[2] !== version) return undefined;
  const coding = stored[3]!;
  const byteLength = stored.readUInt32BE(4);
  const ttlMs = stored.readDoubleBE(8) - nowMs;
  if (!(ttlMs > 0) || ttlMs === Number.POSITIVE_INFINITY || byteLength > maxBytes) return undefined;
  const payload = stored.subarray(headerBytes);
  if (coding === codings.raw) {
    return payload.length === byteLength ? { value: new Uint8Array(payload), ttlMs } : undefined;
  }
  if (byteLength === 0 || (coding !== codings.deflate && !(coding === codings.zstd && hasZstd))) return undefined;
  const toStored = (raw: Buffer) => (raw.length === byteLength ? { value: own(raw), ttlMs } : undefined);
  if (byteLength > maxSyncBytes) return decompressAsync(coding, payload, byteLength).then(toStored, () => undefined);
  try {
    return toStored(decompress(coding, payload, byteLength));
  } catch {
    return undefined;
  }
}

function pack(coding: number, byteLength: number, expiresMs: number, payload: Uint8Array): Buffer {
  const packed = Buffer.allocUnsafe(headerBytes + payload.byteLength);
  packed.writeUInt16BE(magic, 0);
  packed[2] = version;
  packed[3] = coding;
  packed.writeUInt32BE(byteLength, 4);
  packed.writeDoubleBE(expiresMs, 8);
  packed.set(payload, headerBytes);
  return packed;
}

function compressAsync(value: Uint8Array): Promise<Buffer> {
  return hasZstd ? promisify(zlib.zstdCompress)(value, fastZstd) : promisify(zlib.deflateRaw)(value, fastDeflate);
}

function decompress(coding: number, payload: Buffer, maxOutputLength: number): Buffer {
  const options = { maxOutputLength };
  return coding === codings.zstd ? zlib.zstdDecompressSync(payload, options) : zlib.inflateRawSync(payload, options);
}

function decompressAsync(coding: number, payload: Buffer, maxOutputLength: number): Promise<Buffer> {
  const options = { maxOutputLength };
  return coding === codings.zstd
    ? promisify(zlib.zstdDecompress)(payload, options)
    : promisify(zlib.inflateRaw)(payload, options);
}

/** Not the slack of the buffer it was decompressed into. */
function own(raw: Buffer): Uint8Array {
  if (raw.buffer.byteLength > 2 * raw.length) return new Uint8Array(raw);
  return new Uint8Array(raw.buffer, raw.byteOffset, raw.length);
}
