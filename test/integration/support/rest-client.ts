/**
 * HTTP for the REST tests, close to the wire: whole requests by node:http, and bare sockets for what a decent client never
 * sends. Gives bytes back, never decoded ones.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

export interface Reply {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly bytes: Buffer;
}

export interface Asked {
  readonly method?: string;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string | Uint8Array | undefined;
  /** Sends the body in pieces of this size, without Content-Length. */
  readonly chunkBytes?: number;
  readonly agent?: http.Agent;
}

export const predictUrl = (server: { url: string }): string => `${server.url}/api/v1/predict`;

/** One request, by default a POST of JSON on a connection of its own. */
export async function ask(url: string, asked: Asked = {}): Promise<Reply> {
  const { body, chunkBytes, agent = false } = asked;
  const method = asked.method ?? (body === undefined ? 'GET' : 'POST');
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  const length = body === undefined || chunkBytes !== undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  // A client that closes would be served by node's own server and not by the lane.
  const connection = { connection: 'keep-alive' };
  const request = http.request(url, {
    method,
    agent,
    headers: { ...connection, ...type, ...length, ...asked.headers },
  });
  const answered = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', reject);
  });
  if (chunkBytes === undefined) request.end(body);
  else void sendChunks(request, Buffer.from(body ?? ''), chunkBytes);
  const response = await answered;
  // The server may answer and close before it has read everything.
  request.on('error', () => undefined);
  const bytes = Buffer.concat(await response.toArray());
  return { status: response.statusCode!, headers: response.headers, bytes };
}

async function sendChunks(request: http.ClientRequest, body: Buffer, size: number): Promise<void> {
  const pieces = Array.from({ length: Math.ceil(body.length / size) }, (_, i) =>
    body.subarray(i * size, (i + 1) * size),
  );
  // An answer before the end closes the request; that is for the test to judge.
  await pipeline(Readable.from(pieces), request).catch(() => undefined);
}

// biome-ignore lint/suspicious/noExplicitAny: answers are read field by field in assertions
export function jsonOf(reply: { bytes: Buffer }): any {
  return JSON.parse(reply.bytes.toString('utf8'));
}

/** Status and parsed body of a JSON POST; `body` goes out as it is when it is text. */
// biome-ignore lint/suspicious/noExplicitAny: answers are read field by field in assertions
export async function askJson(url: string, body: unknown, headers = {}): Promise<{ status: number; body: any }> {
  const reply = await ask(url, { body: typeof body === 'string' ? body : JSON.stringify(body), headers });
  return { status: reply.status, body: jsonOf(reply) };
}

/** A connection that has sent `text`; `ended` gives everything received once the server has closed it. */
export class RawConnection {
  readonly socket: net.Socket;
  readonly ended: Promise<string>;
  #received = '';

  constructor(url: string, text = '') {
    const { hostname, port } = new URL(url);
    this.socket = net.connect(Number(port), hostname);
    this.socket.setEncoding('latin1');
    this.socket.on('data', (piece: string) => {
      this.#received += piece;
    });
    // A server that cuts may reset; what counts is that the connection is over.
    this.socket.on('error', () => undefined);
    this.ended = new Promise((resolve) => this.socket.once('close', () => resolve(this.#received)));
    this.socket.write(text, 'latin1');
  }

  /** Everything received, once it contains `text`; the connection's end is an error. */
  async until(text: string, times = 1): Promise<string> {
    while (this.#received.split(text).length <= times) {
      const more = once(this.socket, 'data');
      const over = this.ended.then((got) => {
        throw new Error(`The connection ended before ${JSON.stringify(text)}; received ${JSON.stringify(got)}`);
      });
      await Promise.race([more, over]);
    }
    return this.#received;
  }
}

/** A body, the field that its refusal must name, and what the sentence must say. */
export type NamedCase = readonly [body: unknown, field: string, words: RegExp];

/** Posts each body and checks status, code, `details.field` and the sentence. */
export async function assertRefusals(url: string, cases: readonly NamedCase[]): Promise<void> {
  for (const [body, field, words] of cases) {
    const { status, body: answer } = await askJson(url, body);
    const shown = `${JSON.stringify(body)?.slice(0, 200)} -> ${JSON.stringify(answer).slice(0, 400)}`;
    assert.deepEqual([status, answer.error?.code], [400, 'INVALID_INPUT'], shown);
    assert.equal(answer.error.details?.field, field, shown);
    assert.match(answer.error.message, words, shown);
  }
}
