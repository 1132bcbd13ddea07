/** Compressed request bodies, decoded as a stream with limits on what comes out: 304 bytes of brotli can hold 200 MB. */
import type { Duplex } from 'node:stream';
import zlib from 'node:zlib';
import { HotpathError } from '../../core/errors.ts';

const decoders: Record<string, (() => Duplex) | undefined> = {
  gzip: () => zlib.createGunzip(),
  'x-gzip': () => zlib.createGunzip(),
  br: () => zlib.createBrotliDecompress(),
  deflate: () => zlib.createInflate(),
  // Absent before Node 22.15.
  ...(typeof zlib.createZstdDecompress === 'function' ? { zstd: () => zlib.createZstdDecompress() } : {}),
};

/** Small bodies may have any ratio; only beyond this does it tell a bomb from good compression. */
const ratioFreeBytes = 1024 * 1024;

/** A decoder for the Content-Encoding; undefined when the body is plain. @throws UNSUPPORTED_MEDIA_TYPE. */
export function decoderFor(contentEncoding: string | undefined): Duplex | undefined {
  if (contentEncoding === undefined) return undefined;
  const name = contentEncoding.trim().toLowerCase();
  if (name === '' || name === 'identity') return undefined;
  const create = Object.hasOwn(decoders, name) ? decoders[name] : undefined;
  if (create === undefined) {
    const known = Object.keys(decoders).join(', ');
    throw new HotpathError('UNSUPPORTED_MEDIA_TYPE', `Content-Encoding: expected one of ${known}.`, {
      field: 'Content-Encoding',
      expected: known,
    });
  }
  return create();
}

/** The error for a body that decodes to more than it may; undefined while all is well. */
export function refuseBomb(
  decoded: number,
  encoded: number,
  maxBytes: number,
  maxRatio: number,
): HotpathError | undefined {
  if (decoded > maxBytes) {
    return new HotpathError('PAYLOAD_TOO_LARGE', `The body decodes to more than ${maxBytes} bytes.`, {
      expected: `at most ${maxBytes} bytes`,
    });
  }
  if (decoded > ratioFreeBytes && decoded > encoded * maxRatio) {
    return new HotpathError('PAYLOAD_TOO_LARGE', `The body decodes to more than ${maxRatio} times its size.`, {
      expected: `a ratio of at most ${maxRatio}`,
    });
  }
  return undefined;
}
