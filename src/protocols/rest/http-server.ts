/**
 * The node server under Fastify, with every time and size limit of a connection: HTTP/1.1, HTTP/2 without TLS (h2c), or TLS with
 * both. Made once by the REST server and once by the admin server; knows nothing of routes.
 */
import { readFileSync } from 'node:fs';
import http, { type RequestListener } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { Duplex } from 'node:stream';
import type { Config } from '../../config/schema.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Clock } from '../../ports/clock.ts';
import { hasPending } from './connection.ts';
import { limitHttp2 } from './http2-limits.ts';

export type ConnectionConfig = Pick<
  Config,
  'headersTimeoutMs' | 'requestTimeoutMs' | 'keepAliveTimeoutMs' | 'maxConnections' | 'http2' | 'tlsCert' | 'tlsKey'
>;

export type NodeServer = http.Server | https.Server | http2.Http2Server | http2.Http2SecureServer;

/** Bytes all headers of a request may have. */
const maxHeaderBytes = 16 * 1024;

/** Receive windows of HTTP/2: with the default of 64 KiB a 600 KB tensor needs ten round trips. */
const http2Window = 1024 * 1024;

/** Node's own defaults where they fit, written down so that a new version of node cannot loosen them. */
const http2Limits = {
  maxSessionInvalidFrames: 100,
  maxSessionRejectedStreams: 100,
  // Rapid reset: 1000 streams at once, then 33 a second.
  streamResetBurst: 1000,
  streamResetRate: 33,
  settings: { initialWindowSize: http2Window, maxHeaderListSize: maxHeaderBytes, maxConcurrentStreams: 256 },
};

/** @throws Error when a certificate file cannot be read. */
export function createNodeServer(config: ConnectionConfig, listener: RequestListener, clock: Clock): NodeServer {
  const server = config.http2 === 'off' ? createHttp1(config, listener) : createHttp2(config, listener);
  if (config.http2 !== 'off') limitHttp2(server, config.http2 === 'tls', config, clock);
  server.maxConnections = config.maxConnections;
  // Idle after an answer (node's keep-alive), or not reading one (slow-reader.ts): cut, unless the peer merely waits for us.
  server.on('timeout', (socket: Duplex) => {
    if (!hasPending(socket)) socket.destroy();
  });
  // Refusals by Content-Length come before the client is told to go on; read-body.ts tells it.
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  return server;
}

function createHttp1(config: ConnectionConfig, listener: RequestListener): http.Server | https.Server {
  const options = http1Options(config);
  const tls = tlsOptions(config);
  return tls === undefined
    ? http.createServer(options, listener)
    : https.createServer({ ...tls, ...options }, listener);
}

function createHttp2(config: ConnectionConfig, listener: RequestListener): NodeServer {
  const handler = listener as unknown as (
    request: http2.Http2ServerRequest,
    response: http2.Http2ServerResponse,
  ) => void;
  if (config.http2 === 'h2c') return http2.createServer(http2Limits, handler);
  const tls = tlsOptions(config);
  if (tls === undefined) throw new Error('http2 "tls" needs tlsCert and tlsKey.');
  const options = { ...tls, ...http2Limits, ...http1Options(config), allowHTTP1: true };
  return http2.createSecureServer(options, handler);
}

function http1Options(config: ConnectionConfig): http.ServerOptions {
  const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = config;
  // Node refuses to start when headers may take longer than the whole request.
  const headersTimeout = requestTimeoutMs > 0 ? Math.min(headersTimeoutMs, requestTimeoutMs) : headersTimeoutMs;
  return {
    headersTimeout,
    requestTimeout: requestTimeoutMs,
    keepAliveTimeout: keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.max(50, Math.min(1000, Math.floor(headersTimeout / 2))),
    maxHeaderSize: maxHeaderBytes,
  };
}

interface TlsOptions {
  readonly cert: Buffer;
  readonly key: Buffer;
  readonly handshakeTimeout: number;
}

function tlsOptions({ tlsCert, tlsKey, headersTimeoutMs }: ConnectionConfig): TlsOptions | undefined {
  if (tlsCert === '' && tlsKey === '') return undefined;
  // The handshake comes before anything the HTTP limits see; node would wait two minutes.
  return { cert: readPem('tlsCert', tlsCert), key: readPem('tlsKey', tlsKey), handshakeTimeout: headersTimeoutMs };
}

function readPem(setting: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Error(`${setting}: cannot read "${file}" (${(error as NodeJS.ErrnoException).code}).`);
  }
}

/** What node reports of a request that did not arrive in time. */
export const requestTimeout = Object.assign(new Error('request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' });

/** Answers bytes that are no HTTP, or that came too slowly, in the form of every other error; then closes. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
  // A TLS error leaves nothing to answer through: the text would wait for the end of the handshake.
  const isTls = error.code?.startsWith('ERR_TLS') === true || error.code?.startsWith('ERR_SSL') === true;
  if (!socket.writable || error.code === 'ECONNRESET' || isTls || hasPending(socket)) {
    socket.destroy();
    return;
  }
  const { status, code, message } = describeClientError(error.code);
  const body = JSON.stringify({ error: { code, message } });
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
}

function describeClientError(code: string | undefined): { status: string; code: ErrorCode; message: string } {
  if (code === 'HPE_HEADER_OVERFLOW') {
    const message = `The headers are larger than ${maxHeaderBytes} bytes.`;
    return { status: '431 Request Header Fields Too Large', code: 'PAYLOAD_TOO_LARGE', message };
  }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') {
    return {
      status: '408 Request Timeout',
      code: 'DEADLINE_EXCEEDED',
      message: 'The request took too long to arrive.',
    };
  }
  return { status: '400 Bad Request', code: 'INVALID_INPUT', message: 'The request is not valid HTTP.' };
}
