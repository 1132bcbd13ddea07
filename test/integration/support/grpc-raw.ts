/** gRPC by hand on node:http2, for what no client library would send. */
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { encodeReference } from '../../../src/protocols/grpc/testing/proto-json.ts';

export interface RawAnswer {
  readonly httpStatus: number;
  /** Undefined when the stream was reset before any. */
  readonly grpcStatus: number | undefined;
  readonly message: string;
  readonly body: Buffer;
  readonly headers: Readonly<Record<string, unknown>>;
  readonly rstCode: number;
}

export async function openSession(port: number, options: http2.ClientSessionOptions = {}): Promise<ClientHttp2Session> {
  const session = http2.connect(`http://127.0.0.1:${port}`, options);
  session.on('error', () => {});
  await new Promise<void>((resolve) => session.once('connect', () => resolve()));
  return session;
}

/** A request to the fake engine's usual model, as its bytes. */
export const demoMessage = encodeReference('ModelInferRequest', {
  model_name: 'demo',
  inputs: [{ name: 'features', datatype: 'FP32', shape: ['1', '2'], contents: { fp32_contents: [1, 2] } }],
});

export const inferPath = '/inference.GRPCInferenceService/ModelInfer';

export function openRequest(
  session: ClientHttp2Session,
  path = inferPath,
  headers: http2.OutgoingHttpHeaders = {},
): ClientHttp2Stream {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
  stream.on('error', () => {});
  return stream;
}

/** Everything a stream brings until it closes. */
export function answerOf(stream: ClientHttp2Stream): Promise<RawAnswer> {
  const chunks: Buffer[] = [];
  let headers: Record<string, unknown> = {};
  const take = (more: object) => {
    headers = { ...headers, ...more };
  };
  stream.on('response', take);
  stream.on('trailers', take);
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return new Promise((resolve) => {
    stream.once('close', () => {
      const status = headers['grpc-status'];
      resolve({
        httpStatus: Number(headers[':status'] ?? 0),
        grpcStatus: status === undefined ? undefined : Number(status),
        message: decodeURIComponent(String(headers['grpc-message'] ?? '')),
        body: Buffer.concat(chunks),
        headers,
        rstCode: stream.rstCode ?? 0,
      });
    });
  });
}

export function framed(message: Uint8Array, flag = 0): Buffer {
  const prefix = Buffer.alloc(5);
  prefix[0] = flag;
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

/** One call with these bytes as its whole body. */
export function send(
  session: ClientHttp2Session,
  body: Uint8Array,
  headers: http2.OutgoingHttpHeaders = {},
  path = inferPath,
): Promise<RawAnswer> {
  const stream = openRequest(session, path, headers);
  const answer = answerOf(stream);
  stream.end(body);
  return answer;
}
