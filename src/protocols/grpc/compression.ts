/**
 * Message compression of gRPC (`grpc-encoding`), with limits on what comes out: one kilobyte of gzip can hold a megabyte. Runs on
 * node's thread pool. Used by call.ts.
 */
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { HotpathError, invalidInput } from '../../core/errors.ts';

const gunzip = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip);
const inflate = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate);
const gzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gzip);

export type MessageEncoding = 'identity' | 'gzip' | 'deflate';

/** What `grpc-accept-encoding` of our answers says. */
export const acceptedEncodings = 'identity,gzip,deflate';

/** Small messages may have any ratio; only beyond this does it tell a bomb from good compression. */
const ratioFreeBytes = 1024 * 1024;

export interface DecodeLimits {
  readonly maxBytes: number;
  /** Largest decoded:encoded ratio of messages beyond 1 MiB decoded. */
  readonly maxRatio: number;
}

/** @throws UNSUPPORTED_MEDIA_TYPE (UNIMPLEMENTED, as gRPC asks for). */
export function parseEncoding(header: string | undefined): MessageEncoding {
  if (header === undefined || header === 'identity') return 'identity';
  if (header === 'gzip' || header === 'deflate') return header;
  const message = `grpc-encoding: expected one of ${acceptedEncodings}.`;
  throw new HotpathError('UNSUPPORTED_MEDIA_TYPE', message, { field: 'grpc-encoding', expected: acceptedEncodings });
}

/** @throws PAYLOAD_TOO_LARGE, INVALID_INPUT. */
export async function decompress(message: Buffer, encoding: MessageEncoding, limits: DecodeLimits): Promise<Buffer> {
  if (encoding === 'identity') {
    throw invalidInput(
      'grpc-encoding',
      'The message is flagged as compressed, but grpc-encoding names no compression.',
    );
  }
  const maxBytes = Math.min(limits.maxBytes, Math.max(ratioFreeBytes, limits.maxRatio * message.length));
  try {
    // Node refuses a limit of 0.
    const options = { maxOutputLength: Math.max(1, maxBytes) };
    return await (encoding === 'gzip' ? gunzip(message, options) : inflate(message, options));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw new HotpathError(
        'PAYLOAD_TOO_LARGE',
        `The message decodes to more than the ${maxBytes} bytes it may have.`,
      );
    }
    throw invalidInput('message', `The message is not valid ${encoding}.`);
  }
}

/** The fastest level: tensors hardly shrink, and the thread is needed. */
export function compress(message: Uint8Array): Promise<Buffer> {
  return gzip(message, { level: 1 });
}
