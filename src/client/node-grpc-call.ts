/**
 * One unary gRPC call on an HTTP/2 session: a message out, a message in, a status. Called per attempt by node-grpc.ts; knows no
 * message type, retries nothing.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { HotpathClientError, wrongAnswer } from './client-error.ts';
import type { Deadline } from './deadline.ts';
import { errorOfHttp, errorOfStream, errorOfTrailers } from './node-grpc-status.ts';
import type { MessageWriter } from './node-protobuf.ts';

const gzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gzip);
const gunzip = promisify<Uint8Array, zlib.ZlibOptions, Buffer>(zlib.gunzip);

/** A flag and a 32-bit length in front of every message. */
const prefixBytes = 5;

export interface UnaryOptions {
  readonly deadline: Deadline;
  readonly headers: Readonly<Record<string, string>>;
  readonly compression: 'gzip' | 'none';
  readonly maxMessageBytes: number;
}

/** @throws HotpathClientError. */
export async function unaryCall(
  session: ClientHttp2Session,
  path: string,
  message: MessageWriter,
  options: UnaryOptions,
): Promise<Buffer> {
  const chunks = await frameOf(message, options.compression);
  options.deadline.check();
  const stream = openStream(session, headersOf(path, options));
  stream.cork();
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  stream.uncork();
  const { headers, body } = await receive(stream, options);
  return messageOf(body, String(headers['grpc-encoding'] ?? 'identity'), options.maxMessageBytes);
}

/** The session may have ended while the message was compressed. */
function openStream(session: ClientHttp2Session, headers: Record<string, string>): ClientHttp2Stream {
  try {
    return session.request(headers);
  } catch (cause) {
    throw session.closed || session.destroyed ? errorOfStream(cause) : cause;
  }
}

function headersOf(path: string, { deadline, headers, compression }: UnaryOptions): Record<string, string> {
  const leftMs = deadline.leftMs();
  return {
    ...headers,
    [constants.HTTP2_HEADER_METHOD]: 'POST',
    [constants.HTTP2_HEADER_PATH]: path,
    'content-type': 'application/grpc',
    te: 'trailers',
    'grpc-accept-encoding': 'identity,gzip',
    ...(compression === 'gzip' ? { 'grpc-encoding': 'gzip' } : {}),
    ...(leftMs === undefined ? {} : { 'grpc-timeout': timeoutText(leftMs) }),
  };
}

/** At most eight digits and a unit. */
export function timeoutText(ms: number): string {
  const micros = Math.max(1, Math.round(ms * 1000));
  if (micros < 1e8) return `${micros}u`;
  return ms < 1e8 ? `${Math.ceil(ms)}m` : `${Math.min(99_999_999, Math.ceil(ms / 1000))}S`;
}

async function frameOf(message: MessageWriter, compression: UnaryOptions['compression']): Promise<Uint8Array[]> {
  const body = compression === 'gzip' ? [await gzip(message.join(), { level: 1 })] : message.finish();
  const prefix = Buffer.alloc(prefixBytes);
  prefix[0] = compression === 'gzip' ? 1 : 0;
  prefix.writeUInt32BE(
    body.reduce((size, chunk) => size + chunk.byteLength, 0),
    1,
  );
  return [prefix, ...body];
}

interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly body: readonly Buffer[];
}

function receive(stream: ClientHttp2Stream, { deadline, maxMessageBytes }: UnaryOptions): Promise<Received> {
  return new Promise((resolve, reject) => {
    const body: Buffer[] = [];
    let received = 0;
    let headers: IncomingHttpHeaders = {};
    let end: HotpathClientError | 'ok' | undefined;
    let failure: unknown;
    const stop = (error: HotpathClientError) => {
      end ??= error;
      // Not when the stream has closed: it may wait for a connection that never comes.
      reject(end);
      stream.close(constants.NGHTTP2_CANCEL);
    };
    const onAbort = () => stop(deadline.signal.reason as HotpathClientError);
    const onStatus = (trailers: IncomingHttpHeaders) => {
      if (trailers['grpc-status'] !== undefined) end ??= errorOfTrailers(trailers) ?? 'ok';
    };
    deadline.signal.addEventListener('abort', onAbort);
    stream.on('response', (given) => {
      headers = given;
      const error = errorOfHttp(Number(given[':status']));
      // Of a call that failed at once, the headers are the trailers.
      onStatus(given);
      if (error !== undefined) stop(error);
    });
    stream.on('data', (chunk: Buffer) => {
      body.push(chunk);
      received += chunk.length;
      if (received > maxMessageBytes + prefixBytes) stop(tooLarge(maxMessageBytes));
    });
    stream.on('trailers', onStatus);
    stream.on('error', (error) => {
      failure = error;
    });
    stream.on('close', () => {
      deadline.signal.removeEventListener('abort', onAbort);
      if (end === 'ok') resolve({ headers, body });
      else reject(end ?? errorOfStream(failure));
    });
  });
}

async function messageOf(chunks: readonly Buffer[], encoding: string, maxBytes: number): Promise<Buffer> {
  const frame = joined(chunks);
  const length = frame.length < prefixBytes ? -1 : frame.readUInt32BE(1);
  if (length !== frame.length - prefixBytes) throw wrongAnswer('The server answered no whole message.');
  const message = frame.subarray(prefixBytes);
  if (frame[0] === 0) return message;
  if (encoding !== 'gzip') throw wrongAnswer(`The message is compressed by "${encoding}", which was not asked for.`);
  try {
    return await gunzip(message, { maxOutputLength: Math.max(1, maxBytes) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(maxBytes);
    throw wrongAnswer('The message is no valid gzip.');
  }
}

/** In memory of its own: outputs view it, and must not share it with other answers of the socket. */
function joined(chunks: readonly Buffer[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(chunks.reduce((size, chunk) => size + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) at += chunk.copy(whole, at);
  return whole;
}

function tooLarge(maxBytes: number): HotpathClientError {
  return new HotpathClientError('PAYLOAD_TOO_LARGE', `The answer is larger than ${maxBytes} bytes (maxMessageBytes).`);
}
