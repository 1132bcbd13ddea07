/**
 * One connection of the lane: requests come one after another, each answered before the next is looked at. Owns the socket
 * until it closes or is passed on to node. Bodies go from the socket's chunks into one buffer, answers leave in one write.
 */
import type { Socket } from 'node:net';
import { releaseChunk } from '../../release-chunk.ts';
import type { AnswerBody, Wire } from '../wire.ts';
import type { AnswerText } from './answer-text.ts';
import { LaneWire } from './lane-wire.ts';
import { type RequestHead, readHead } from './request-head.ts';

export interface LaneRoute {
  /** Bytes that a body of this Content-Type may have. What is larger goes to node, which refuses it without reading it. */
  readonly maxBytesOf: (contentType: string | undefined) => number;
  /** Starts the request; it answers through the wire. */
  readonly start: (wire: Wire) => void;
}

export interface LaneOptions {
  /** A limit of 0 is no limit. */
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly keepAliveTimeoutMs: number;
  /** The inference route of a path; undefined for every other path, which goes to node. */
  readonly routeOf: (url: string) => LaneRoute | undefined;
  /** Tells a client that has sent nothing that its time is over, and closes. */
  readonly refuseSilent: (socket: Socket) => void;
}

/** What a connection needs of its lane. */
export interface LaneHost extends LaneOptions {
  readonly answers: AnswerText;
  /** Time of the last tick; coarse, but free. */
  readonly nowMs: () => number;
  readonly passOn: (connection: LaneConnection, socket: Socket) => void;
  readonly closed: (connection: LaneConnection) => void;
}

interface PlainHead extends RequestHead {
  readonly route: LaneRoute;
}

/** A head is looked for in so many bytes; a longer one is node's. */
const headBytes = 1024;
const maxHeadBytes = 8192;
/** Requests sent ahead of their answers are kept up to this; then the client has to wait. */
const maxAheadBytes = 64 * 1024;
/** Answers up to this are copied behind their head, to leave in one write. */
const joinBytes = 16 * 1024;
const nothing = Buffer.alloc(0);

export class LaneConnection {
  readonly #host: LaneHost;
  readonly #socket: Socket;
  /** The request being read or answered. */
  #wire: LaneWire | undefined;
  /** Bytes of its body still to come. */
  #bodyLeft = 0;
  /** Received after it. */
  #ahead: Buffer = nothing;
  /** Clients repeat their heads: the last one is not parsed again. */
  #lastHead: PlainHead | undefined;
  #sinceMs: number;
  /** No further request: the answer said so. */
  #isLast = false;
  /** The answer is not yet taken by the kernel. */
  #isFlushing = false;
  #isPassedOn = false;

  constructor(host: LaneHost, socket: Socket) {
    this.#host = host;
    this.#socket = socket;
    this.#sinceMs = host.nowMs();
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('error', ignore);
  }

  /** The request that may still be answered. */
  get wire(): LaneWire | undefined {
    return this.#wire;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  closeIfIdle(): void {
    if (this.#isFree) this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Cuts the connection when the client let it wait for too long. */
  checkTime(nowMs: number): void {
    const { headersTimeoutMs, requestTimeoutMs, keepAliveTimeoutMs } = this.#host;
    const isSilent = this.#isFree && this.#lastHead === undefined;
    let limitMs = 0;
    if (this.#bodyLeft > 0) limitMs = requestTimeoutMs;
    else if (isSilent) limitMs = headersTimeoutMs;
    else if (this.#isLast || this.#isFree) limitMs = keepAliveTimeoutMs;
    if (limitMs === 0 || nowMs - this.#sinceMs <= limitMs) return;
    if (!isSilent) this.#socket.destroy();
    else {
      this.#isLast = true;
      this.#host.refuseSilent(this.#socket);
    }
  }

  /** Sends the answer of `wire`; called by it, once. */
  answer(status: number, headers: readonly string[], body: AnswerBody, size: number, isLast: boolean): void {
    const head = this.#host.answers.head(status, headers, isLast);
    this.#wire = undefined;
    this.#isLast = isLast;
    this.#sinceMs = this.#host.nowMs();
    this.#write(head, body, size);
    if (isLast) this.#finish();
    else if (this.#socket.writableLength > 0) this.#awaitFlush();
    else this.#goOn();
  }

  #write(head: string, body: AnswerBody, size: number): void {
    const socket = this.#socket;
    if (typeof body === 'string') {
      socket.write(head + body, size === body.length ? 'latin1' : 'utf8');
      return;
    }
    const chunks = body instanceof Uint8Array ? [body] : body;
    if (size <= joinBytes) {
      socket.write(Buffer.concat([Buffer.from(head, 'latin1'), ...chunks]));
      return;
    }
    socket.cork();
    socket.write(head, 'latin1');
    for (const chunk of chunks) socket.write(chunk);
    socket.uncork();
  }

  /** Waiting for a request. */
  get #isFree(): boolean {
    return this.#wire === undefined && this.#bodyLeft === 0 && !this.#isLast && !this.#isFlushing && !this.#isPassedOn;
  }

  readonly #onData = (chunk: Buffer): void => {
    const rest = this.#bodyLeft > 0 ? this.#takeBody(chunk) : chunk;
    if (rest.length === 0 || this.#isLast) return;
    if (this.#isFree) this.#begin(rest);
    else this.#keep(rest);
  };

  /** Reads requests until one has to be waited for. */
  #begin(chunk: Buffer): void {
    let rest = chunk;
    while (rest.length > 0 && this.#isFree) rest = this.#beginOne(rest);
    if (rest.length > 0 && !this.#isLast) this.#keep(rest);
  }

  /** Starts the request at the beginning of `chunk`; returns what comes after it. */
  #beginOne(chunk: Buffer): Buffer {
    const head = this.#readHead(chunk);
    if (head === undefined) {
      this.#passOn(chunk);
      return nothing;
    }
    const { length } = head.text;
    const end = length + head.contentLength;
    this.#lastHead = head;
    this.#sinceMs = this.#host.nowMs();
    this.#bodyLeft = Math.max(0, end - chunk.length);
    const wire = new LaneWire(this, head, chunk.subarray(length, end), this.#bodyLeft);
    this.#wire = wire;
    head.route.start(wire);
    if (wire.isBeginCopied) releaseChunk(chunk);
    return end < chunk.length ? chunk.subarray(end) : nothing;
  }

  #readHead(chunk: Buffer): PlainHead | undefined {
    const text = chunk.toString('latin1', 0, headBytes);
    const last = this.#lastHead;
    if (last !== undefined && text.startsWith(last.text)) return last;
    const head = readHead(text.includes('\r\n\r\n') ? text : chunk.toString('latin1', 0, maxHeadBytes));
    const route = head === undefined ? undefined : this.#host.routeOf(head.url);
    if (head === undefined || route === undefined) return undefined;
    return head.contentLength > route.maxBytesOf(head.headers['content-type']) ? undefined : { ...head, route };
  }

  /** Gives the request what belongs to its body; returns the rest. */
  #takeBody(chunk: Buffer): Buffer {
    const part = chunk.length > this.#bodyLeft ? chunk.subarray(0, this.#bodyLeft) : chunk;
    this.#bodyLeft -= part.length;
    const rest = part === chunk ? nothing : chunk.subarray(part.length);
    const isKept = this.#wire?.addToBody(part, this.#bodyLeft) ?? false;
    if (!isKept && part === chunk) releaseChunk(chunk);
    return rest;
  }

  #keep(chunk: Buffer): void {
    this.#ahead = this.#ahead.length === 0 ? chunk : Buffer.concat([this.#ahead, chunk]);
    if (this.#ahead.length > maxAheadBytes) this.#socket.pause();
  }

  #goOn(): void {
    if (this.#ahead.length === 0 || !this.#isFree) return;
    const ahead = this.#ahead;
    this.#ahead = nothing;
    this.#socket.resume();
    this.#begin(ahead);
  }

  /** The client gets its answer even if it still sends: the socket closes when both sides have ended, or by time. */
  #finish(): void {
    this.#ahead = nothing;
    if (this.#bodyLeft > 0) this.#socket.end();
    else this.#socket.destroySoon();
  }

  /** A client that takes nothing for half the request's time is cut; node starts that time anew once. */
  #awaitFlush(): void {
    const socket = this.#socket;
    const { requestTimeoutMs } = this.#host;
    this.#isFlushing = true;
    if (requestTimeoutMs > 0) socket.setTimeout(Math.ceil(requestTimeoutMs / 2), this.#onTimeout);
    socket.write(nothing, () => {
      socket.setTimeout(0, this.#onTimeout);
      this.#isFlushing = false;
      this.#sinceMs = this.#host.nowMs();
      this.#goOn();
    });
  }

  readonly #onTimeout = (): void => {
    this.#socket.destroy();
  };

  /** Node gets the socket as if nothing had happened since the last answer. */
  #passOn(chunk: Buffer): void {
    const socket = this.#socket;
    this.#isPassedOn = true;
    socket.off('data', this.#onData);
    socket.off('end', this.#onEnd);
    socket.off('close', this.#onClose);
    socket.off('error', ignore);
    socket.unshift(chunk);
    this.#host.passOn(this, socket);
    socket.resume();
  }

  /** As node does: a client that ends its side has left. */
  readonly #onEnd = (): void => {
    if (this.#wire === undefined) this.#socket.end();
    else this.#socket.destroy();
  };

  readonly #onClose = (): void => {
    this.#host.closed(this);
    const wire = this.#wire;
    this.#wire = undefined;
    wire?.abandon();
  };
}

/** `close` follows, and tells all that matters. */
function ignore(): void {}
