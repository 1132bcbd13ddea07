/** A Wire over node's own HTTP objects: HTTP/2, and every HTTP/1.1 request that the lane does not take. */
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Writable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { track, untrack } from './connection.ts';
import { readBody } from './read-body.ts';
import { cutSlowReader } from './slow-reader.ts';
import type { Abandonable, AnswerBody, BodyLimits, BodyReceiver, HeaderList, Wire } from './wire.ts';

/** Bytes of an unread body that are worth swallowing to keep the connection. */
export const swallowBytes = 1024 * 1024;

/** The wire of a request that Fastify has routed; whoever takes it hijacks the reply. */
export function wireOf(request: FastifyRequest, reply: FastifyReply, requestTimeoutMs: number): NodeWire {
  return new NodeWire(request.raw, reply.raw, requestTimeoutMs);
}

export class NodeWire implements Wire {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #requestTimeoutMs: number;
  #closes = false;
  id: string | undefined;

  /** A client that reads nothing of its answer for `requestTimeoutMs` is cut; 0 is no limit. */
  constructor(request: IncomingMessage, response: ServerResponse, requestTimeoutMs: number) {
    this.#request = request;
    this.#response = response;
    this.#requestTimeoutMs = requestTimeoutMs;
  }

  get method(): string {
    return this.#request.method ?? '';
  }

  get url(): string {
    return this.#request.url ?? '';
  }

  get headers(): IncomingHttpHeaders {
    return this.#request.headers;
  }

  get remoteAddress(): string | undefined {
    return this.#request.socket.remoteAddress;
  }

  get isOpen(): boolean {
    return !this.#response.destroyed && !this.#response.headersSent;
  }

  /** Node would read the rest to keep the connection. HTTP/2 resets the stream. */
  get leavesMuchUnread(): boolean {
    const { complete, headers } = this.#request;
    if (complete || !this.#isHttp1) return false;
    const declared = headers['content-length'];
    return declared === undefined ? headers['transfer-encoding'] !== undefined : Number(declared) > swallowBytes;
  }

  receive(limits: BodyLimits, receiver: BodyReceiver): void {
    readBody(this.#request, this.#response, limits, receiver);
  }

  watch(item: Abandonable): void {
    track(this.#request, item);
  }

  unwatch(item: Abandonable): void {
    untrack(this.#request, item);
  }

  closeAfterAnswer(): void {
    this.#closes = this.#isHttp1;
  }

  answer(status: number, headers: HeaderList, body: AnswerBody, size: number): void {
    if (!this.isOpen) return;
    const response = this.#writeHead(status, headers);
    // Equal lengths mean ASCII, where latin1 spares the UTF-8 encoder; header and body then leave in one write.
    if (typeof body === 'string' && size === body.length) response.end(body, 'latin1');
    else if (typeof body === 'string' || body instanceof Uint8Array) response.end(body);
    else {
      for (const chunk of body) response.write(chunk);
      response.end();
    }
    if (this.#isHttp1 && this.#request.socket.writableLength > 0) this.#cutSlowReader();
  }

  readonly stream = (status: number, headers: HeaderList): Writable => {
    const response = this.#writeHead(status, headers);
    this.#cutSlowReader();
    return response;
  };

  get #isHttp1(): boolean {
    return this.#request.httpVersionMajor === 1;
  }

  #writeHead(status: number, headers: HeaderList): ServerResponse {
    if (this.#closes) headers.push('connection', 'close');
    return this.#response.writeHead(status, headers);
  }

  #cutSlowReader(): void {
    cutSlowReader(this.#request, this.#response, this.#requestTimeoutMs);
  }
}
