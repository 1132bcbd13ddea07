/**
 * Writes one whole answer: one header block, one body, compressed when large and wanted. Every answer of the REST API leaves
 * through here, so request ids, draining and compression are the same everywhere.
 */
import { brotliCompress, constants, gzip } from 'node:zlib';
import { parseTraceparent } from '../../core/trace-context.ts';
import { type Compression, compressionOf, contentTypes } from './body-format.ts';
import { requestIdOf } from './request-id.ts';
import type { HeaderList, Wire } from './wire.ts';

export interface SendContext {
  readonly compressMinBytes: number;
  /** Every answer then tells the client to close, so that it reconnects elsewhere. */
  readonly draining: boolean;
}

/** Fast and good enough: the defaults (gzip 6, brotli 11) cost 4 to 100 times as much for a few percent. */
const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
const gzipOptions = { level: 1 };

/** Sends `body` and ends the response. `headers` is taken over and extended. */
export function send(
  context: SendContext,
  wire: Wire,
  status: number,
  contentType: string,
  body: string | Uint8Array,
  headers: HeaderList,
): void {
  const size = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
  const minBytes = context.compressMinBytes;
  if (minBytes > 0 && size >= minBytes && contentType !== contentTypes.raw) {
    headers.push('vary', 'accept-encoding');
    const compression = compressionOf(wire.headers['accept-encoding']);
    if (compression !== undefined) {
      compress(compression, body, (compressed) => {
        if (compressed === undefined) {
          write(context, wire, status, contentType, body, size, headers);
          return;
        }
        headers.push('content-encoding', compression);
        write(context, wire, status, contentType, compressed, compressed.byteLength, headers);
      });
      return;
    }
  }
  write(context, wire, status, contentType, body, size, headers);
}

/** What every answer carries; also streamed ones. */
export function finishHeaders(context: SendContext, wire: Wire, headers: HeaderList): void {
  headers.push('x-request-id', requestIdOf(wire));
  const trace = wire.headers.traceparent;
  if (typeof trace === 'string' && parseTraceparent(trace) !== undefined) headers.push('traceparent', trace);
  if (context.draining) wire.closeAfterAnswer();
}

function write(
  context: SendContext,
  wire: Wire,
  status: number,
  contentType: string,
  body: string | Uint8Array,
  size: number,
  headers: HeaderList,
): void {
  headers.push('content-type', contentType, 'content-length', String(size));
  finishHeaders(context, wire, headers);
  wire.answer(status, headers, body, size);
}

/** Calls `done` with undefined when the compressor failed (out of memory): the answer can still go out as it is. */
function compress(
  compression: Compression,
  body: string | Uint8Array,
  done: (compressed: Uint8Array | undefined) => void,
): void {
  const finish = (error: Error | null, compressed: Uint8Array): void => done(error === null ? compressed : undefined);
  if (compression === 'br') brotliCompress(body, brotliOptions, finish);
  else gzip(body, gzipOptions, finish);
}
