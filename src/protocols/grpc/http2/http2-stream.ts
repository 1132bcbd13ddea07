/**
 * A stream of node:http2 as the transport wants it. Made by http2-transport.ts, one per call. Event handlers are shared functions
 * that find their object on the stream: a closure per event and call is measurable.
 */
import http2, { type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import { okTrailers, type Trailers } from '../status.ts';
import type { StreamReceiver, TransportStream } from '../transport.ts';

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = http2.constants;

const self = Symbol('call');

interface OwnedStream extends ServerHttp2Stream {
  [self]: Http2CallStream;
}

/** What a client may send after its call was answered, before its stream is reset. */
const maxDiscardedBytes = 1024 * 1024;

const noHeaders: IncomingHttpHeaders = {};

/** Of streams that are refused or gone. */
const deaf: StreamReceiver = { onData() {}, onEnd() {}, onGone() {}, onDrain() {} };

const responseHeaders = { ':status': 200, 'content-type': 'application/grpc' } as const;
/** gRPC has no use for a date; node knows the option, its types do not. */
const withTrailers = { waitForTrailers: true, sendDate: false } as const;
const withoutBody = { endStream: true, sendDate: false } as const;
const okEnd = { ...okTrailers };

export class Http2CallStream implements TransportStream {
  readonly path: string;
  readonly peer: string;
  #headers: IncomingHttpHeaders;
  readonly #stream: OwnedStream;
  #receiver!: StreamReceiver;
  #extra: Record<string, string> | undefined;
  #trailers: Trailers = okTrailers;
  #started = false;
  /** `end` was called or the stream is gone. */
  #over = false;
  #discarded = 0;

  readonly #siblings: Set<Http2CallStream>;
  /** Since when the answer waits for the client to take it; -1: it does not. For session-keeper.ts. */
  unreadMs = -1;

  /** `siblings`: all open calls of the session, which this one joins. */
  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, peer: string, siblings: Set<Http2CallStream>) {
    this.#siblings = siblings;
    siblings.add(this);
    this.#stream = stream as OwnedStream;
    this.#stream[self] = this;
    this.#headers = headers;
    this.path = headers[':path']!;
    this.peer = peer;
  }

  /** Begins the delivery. */
  attach(receiver: StreamReceiver): void {
    this.#receiver = receiver;
    const stream = this.#stream;
    stream.on('error', ignore);
    stream.on('close', onClose);
    if (this.#over) return;
    stream.on('end', onEnd);
    stream.on('data', onData);
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return Array.isArray(value) ? value.join(',') : value;
  }

  setHeader(name: string, value: string): void {
    this.#extra ??= {};
    this.#extra[name] = value;
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#over) return true;
    const stream = this.#stream;
    if (!this.#start()) return true;
    let ready = true;
    if (chunks.length > 1) stream.cork();
    for (const chunk of chunks) ready = stream.write(chunk);
    if (chunks.length > 1) stream.uncork();
    if (!ready) stream.once('drain', onDrain);
    return ready;
  }

  end(chunks: readonly Uint8Array[], trailers: Trailers): void {
    if (this.#over) return;
    this.#over = true;
    this.#trailers = trailers;
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return;
    if (!this.#started && chunks.length === 0) {
      stream.respond({ ...responseHeaders, ...this.#extra, ...trailers }, withoutBody);
      stream.resume();
      return;
    }
    if (!this.#start()) return;
    if (chunks.length > 1) {
      stream.cork();
      for (const chunk of chunks) stream.write(chunk);
      stream.end();
      stream.uncork();
    } else if (chunks.length === 1) stream.end(chunks[0]);
    else stream.end();
  }

  pause(): void {
    if (!this.#over) this.#stream.pause();
  }

  resume(): void {
    if (!this.#over) this.#stream.resume();
  }

  /** False when the stream cannot be answered any more. */
  #start(): boolean {
    const stream = this.#stream;
    if (stream.destroyed || stream.closed) return false;
    if (this.#started) return true;
    this.#started = true;
    stream.on('wantTrailers', onWantTrailers);
    stream.respond(this.#extra === undefined ? responseHeaders : { ...responseHeaders, ...this.#extra }, withTrailers);
    return true;
  }

  sendTrailers(): void {
    if (this.#stream.destroyed || this.#stream.closed) return;
    // Node adds a symbol to what it is given.
    this.#stream.sendTrailers(this.#trailers === okTrailers ? okEnd : { ...this.#trailers });
    this.#stream.resume();
  }

  /** An HTTP status for what is no gRPC; instead of `attach`. */
  refuse(status: number): void {
    this.attach(deaf);
    this.#over = true;
    this.#stream.respond({ ':status': status }, { endStream: true });
  }

  receive(chunk: Buffer): void {
    if (!this.#over) this.#receiver.onData(chunk);
    else this.#discard(chunk.length);
  }

  /**
   * The call was answered before its request was complete. Clients stop by themselves when they read that; a reset right behind
   * the answer would overtake it (nghttp2 sends nothing more on a stream that is to be reset).
   */
  #discard(bytes: number): void {
    this.#discarded += bytes;
    if (this.#discarded > maxDiscardedBytes && !this.#stream.closed) this.#stream.close(NGHTTP2_NO_ERROR);
  }

  finishRequest(): void {
    // Node ends the readable side of streams that were reset, too.
    if (this.#stream.closed || this.#stream.destroyed) return;
    if (!this.#over) this.#receiver.onEnd();
  }

  drained(): void {
    if (!this.#over) this.#receiver.onDrain();
  }

  get isUnread(): boolean {
    const stream = this.#stream;
    return stream.writableLength > 0 || (stream.writableEnded && !stream.writableFinished);
  }

  reset(): void {
    this.#stream.close(NGHTTP2_CANCEL);
  }

  /** Lets go of everything: node keeps a stream's object for a while after its end. */
  gone(): void {
    this.#siblings.delete(this);
    const receiver = this.#receiver;
    this.#receiver = deaf;
    this.#headers = noHeaders;
    if (this.#over) return;
    this.#over = true;
    receiver.onGone();
  }
}

function onData(this: OwnedStream, chunk: Buffer): void {
  this[self].receive(chunk);
}

function onEnd(this: OwnedStream): void {
  this[self].finishRequest();
}

function onClose(this: OwnedStream): void {
  this[self].gone();
}

function onDrain(this: OwnedStream): void {
  this[self].drained();
}

function onWantTrailers(this: OwnedStream): void {
  this[self].sendTrailers();
}

/** A stream's error is followed by its close, which says all there is to do. */
function ignore(): void {}
