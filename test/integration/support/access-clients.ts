/** Clients for the tests of access: HTTP/2 and gRPC by hand, and requests as a bare text. All take any credentials, or none. */
import type http from 'node:http';
import type { ClientHttp2Session } from 'node:http2';
import { framed, openRequest } from './grpc-raw.ts';
import { RawConnection, type Reply } from './rest-client.ts';

export type Headers = Readonly<Record<string, string>>;

const noBody = new Set(['GET', 'HEAD', 'DELETE']);

export function bodyOf(method: string): { body?: string } {
  return noBody.has(method) ? {} : { body: '{}' };
}

export function askH2(h2: ClientHttp2Session, path: string, method: string, headers: Headers): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { body } = bodyOf(method);
    const stream = h2.request({ ':path': path, ':method': method, 'content-type': 'application/json', ...headers });
    const chunks: Buffer[] = [];
    let got: http.IncomingHttpHeaders & { ':status'?: number } = {};
    stream.on('response', (more) => {
      got = more as typeof got;
    });
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', reject);
    stream.on('close', () => resolve({ status: got[':status']!, headers: got, bytes: Buffer.concat(chunks) }));
    stream.end(body);
  });
}

/** gRPC status of a call with one empty message; 0 as soon as it is answered. */
export function call(session: ClientHttp2Session, path: string, headers: Headers): Promise<number> {
  const stream = openRequest(session, path, headers);
  return new Promise((resolve) => {
    const done = (status: unknown) => {
      resolve(Number(status));
      stream.close();
    };
    stream.on('response', (head) => head['grpc-status'] !== undefined && done(head['grpc-status']));
    stream.on('trailers', (trailers) => done(trailers['grpc-status']));
    stream.on('data', () => done(0));
    stream.on('close', () => resolve(-1));
    stream.end(framed(Buffer.alloc(0)));
  });
}

export function requestText(method: string, path: string, headers: Headers, body: string): string {
  const lines = Object.entries({ host: 'a', 'content-type': 'application/json', ...headers }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}content-length: ${body.length}\r\n\r\n${body}`;
}

/** Status of a request written by hand. */
export async function rawStatus(
  url: string,
  method: string,
  path: string,
  lines = ['Host: 127.0.0.1'],
): Promise<number> {
  const head = [`${method} ${path} HTTP/1.1`, ...lines, 'Connection: close', 'Content-Type: application/json'];
  const body = noBody.has(method) ? '' : '{}';
  const connection = new RawConnection(url, `${head.join('\r\n')}\r\nContent-Length: ${body.length}\r\n\r\n${body}`);
  const text = await connection.ended;
  // Told to go on first.
  return Number(/^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0);
}
