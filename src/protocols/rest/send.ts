/**
 * Writes one whole answer: one header block, one body, compressed when large and wanted. Every answer of the REST API leaves
 * through here, so request ids, draining and compression are the same everywhere.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { brotliCompress, constants, gzip } from 'node:zlib';
import { parseTraceparent } from '../../core/trace-context.ts';
import { type Compression, compressionOf, contentTypes } from './body-format.ts';
import { requestIdOf } from './request-id.ts';
import { cutSlowReader } from './slow-reader.ts';

export interface SendContext {
  readonly compressMinBytes: number;
  /** A client that reads nothing of its answer for so long is cut. */
  readonly requestTimeoutMs: number;
  /** Every answer then tells the client to close, so that it reconnects elsewhere. */
  readonly draining: boolean;
}

/** Name, value, name, value: the form node writes without an intermediate object. */
export type HeaderList = string[];

/** Fast and good enough: the defaults (gzip 6, brotli 11) cost 4 to 100 times as much for a few percent. */
const brotliOptions = { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } };
const gzipOptions = { level: 1 };

/** Sends `body` and ends the response. `headers` is taken over and extended. */
export function send(
  context: SendContext,
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Uint8Array,
  headers: HeaderList,
): void {
  const size = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
  const minBytes = context.compressMinBytes;
  if (minBytes > 0 && size >= minBytes && contentType !== contentTypes.raw) {
    headers.push('vary', 'accept-encoding');
    const compression = compressionOf(request.headers['accept-encoding']);
    if (compression !== undefined) {
      compress(compression, body, (compressed) => {
        if (compressed === undefined) {
          write(context, request, response, status, contentType, body, size, headers);
          return;
        }
        headers.push('content-encoding', compression);
        write(context, request, response, status, contentType, compressed, compressed.byteLength, headers);
      });
      return;
    }
  }
  write(context, request, response, status, contentType, body, size, headers);
}

/** The headers every answer carries; also for streamed ones. */
export function pushCommonHeaders(context: SendContext, request: IncomingMessage, headers: HeaderList): void {
  headers.push('x-request-id', requestIdOf(request));
  const trace = request.headers.traceparent;
  if (typeof trace === 'string' && parseTraceparent(trace) !== undefined) headers.push('traceparent', trace);
  if (context.draining && request.httpVersionMajor === 1) headers.push('connection', 'close');
}

function write(
  context: SendContext,
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Uint8Array,
  size: number,
  headers: HeaderList,
): void {
  if (response.destroyed || response.headersSent) return;
  headers.push('content-type', contentType, 'content-length', String(size));
  pushCommonHeaders(context, request, headers);
  response.writeHead(status, headers);
  // Equal lengths mean ASCII, where latin1 spares the UTF-8 encoder; header and body then leave in one write.
  if (typeof body === 'string' && size === body.length) response.end(body, 'latin1');
  else response.end(body);
  if (request.httpVersionMajor === 1 && request.socket.writableLength > 0)
    cutSlowReader(request, response, context.requestTimeoutMs);
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
