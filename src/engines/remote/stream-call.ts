/**
 * One unary call on its way over an HTTP/2 stream, to its one end: trailers and the last byte, or the stream's close, a timeout, a
 * cancellation. Made by h2-channel.ts per call; may wait there until the connection is ready.
 */
import { type ClientHttp2Stream, constants, type IncomingHttpHeaders } from 'node:http2';
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import type { CallLimits } from './transport.ts';
import { cancelled, timedOut, toUpstreamFailure, type UpstreamFailure } from './upstream-failure.ts';

/** Why a stream ended; undefined: well. */
export type Classify = (trailers: IncomingHttpHeaders | undefined, error: unknown) => UpstreamFailure | undefined;

export class StreamCall {
  readonly #clock: Clock;
  readonly #limits: CallLimits;
  readonly #sink: (chunk: Buffer) => void;
  readonly #done: (failure?: UpstreamFailure) => void;
  readonly #timer: TimerHandle;
  /** Undefined until it was sent. */
  #stream: ClientHttp2Stream | undefined;
  #trailers: IncomingHttpHeaders | undefined;
  #ended = false;
  settled = false;

  constructor(
    clock: Clock,
    limits: CallLimits,
    sink: (chunk: Buffer) => void,
    done: (failure?: UpstreamFailure) => void,
  ) {
    this.#clock = clock;
    this.#limits = limits;
    this.#sink = sink;
    this.#done = done;
    this.#timer = clock.after(limits.timeoutMs, () => this.fail(timedOut()));
    if (limits.cancel !== undefined) limits.cancel.onCancel = () => this.fail(cancelled());
  }

  run(stream: ClientHttp2Stream, chunks: readonly Uint8Array[], classify: Classify): void {
    this.#stream = stream;
    let cause: unknown;
    const end = (): void => {
      if (!this.settled) this.#settle(classify(this.#trailers, cause));
    };
    stream.on('response', (headers) => {
      // An answer without a message has its trailers in the headers.
      if (headers['grpc-status'] !== undefined || headers[':status'] !== 200) this.#trailers = headers;
    });
    stream.on('trailers', (trailers) => {
      this.#trailers = trailers;
      if (this.#ended) end();
    });
    stream.on('data', (chunk: Buffer) => this.#receive(chunk));
    stream.on('end', () => {
      this.#ended = true;
      if (this.#trailers !== undefined) end();
    });
    stream.on('error', (error) => {
      cause = error;
    });
    stream.once('close', end);
    send(stream, chunks);
  }

  /** Ends it before an answer came; on the wire too, if it was sent. */
  fail(failure: UpstreamFailure): void {
    if (this.settled) return;
    this.#stream?.close(constants.NGHTTP2_CANCEL);
    this.#settle(failure);
  }

  #receive(chunk: Buffer): void {
    if (this.settled) return;
    try {
      this.#sink(chunk);
    } catch (error) {
      this.fail(toUpstreamFailure(error));
    }
  }

  #settle(failure: UpstreamFailure | undefined): void {
    this.settled = true;
    this.#clock.clear(this.#timer);
    if (this.#limits.cancel !== undefined) this.#limits.cancel.onCancel = undefined;
    this.#done(failure);
  }
}

function send(stream: ClientHttp2Stream, chunks: readonly Uint8Array[]): void {
  const last = chunks.length - 1;
  if (last === 0) {
    stream.end(chunks[0]);
    return;
  }
  stream.cork();
  for (let index = 0; index < last; index++) stream.write(chunks[index]);
  stream.end(chunks[last]);
  stream.uncork();
}
