/**
 * One gRPC call on a transport stream: messages in and out, compression, deadline, status. Made by grpc-server.ts; a method sees
 * only this. Answers a call exactly once; everything after that is ignored. Knows no message type and no model.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { Caller, Credentials } from '../../ports/access.ts';
import { acceptedEncodings, compress, decompress, type MessageEncoding, parseEncoding } from './compression.ts';
import type { GrpcContext } from './context.ts';
import { type Frame, frameOf, joinFrame, sealFrame } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { errorTrailers, okTrailers, type Trailers, withFacts } from './status.ts';
import { parseTimeout } from './timeout.ts';
import type { StreamReceiver, TransportStream } from './transport.ts';

/** A method's side of one call. */
export interface MessageSink {
  onMessage(message: Buffer): void;
  /** The client has sent its last message. */
  onEnd(): void;
  /** The client left, or the call failed below the method with this error: nothing can be sent any more. */
  onGone(error?: unknown): void;
  /** After a `send` that returned false. */
  onDrain?(): void;
}

export type Method = (call: ServerCall) => MessageSink;

export class ServerCall implements StreamReceiver {
  readonly context: GrpcContext;
  readonly startMs: number;
  /** From the client's deadline, counted from `startMs`. */
  readonly timeoutMs: number | undefined = undefined;
  /** Who calls; undefined while anybody may, for public methods, and until it is known. */
  caller: Caller | undefined = undefined;
  /** Trailers beside the status, whatever it will be: name, value, name, value. */
  facts: readonly string[] = noFacts;
  readonly #stream: TransportStream;
  readonly #frames: FrameReader;
  readonly #encoding: MessageEncoding = 'identity';
  readonly #compressMinBytes: number = 0;
  #sink: MessageSink = ignoringSink;
  /** Messages being decompressed, in their order; undefined when there is none. */
  #incoming: Promise<void> | undefined;
  #outgoing: Promise<void> | undefined;
  #over = false;

  constructor(context: GrpcContext, stream: TransportStream, method: Method) {
    this.context = context;
    this.#stream = stream;
    const { config, clock } = context.deps;
    this.startMs = clock.now();
    this.#frames = new FrameReader(config.grpcMaxMessageBytes, context.receiveBudget, context.messagePool, this.#take);
    try {
      this.timeoutMs = parseTimeout(stream.header('grpc-timeout'));
      this.#encoding = parseEncoding(stream.header('grpc-encoding'));
      if (this.#repliesGzip()) {
        this.#compressMinBytes = config.compressMinBytes;
        stream.setHeader('grpc-encoding', 'gzip');
      }
      this.#sink = method(this);
    } catch (error) {
      stream.setHeader('grpc-accept-encoding', acceptedEncodings);
      this.fail(error);
    }
  }

  get path(): string {
    return this.#stream.path;
  }

  get peer(): string {
    return this.#stream.peer;
  }

  get credentials(): Credentials {
    return { authorization: this.#stream.header('authorization'), apiKey: this.#stream.header('x-api-key') };
  }

  get cacheControl(): string | undefined {
    return this.#stream.header('cache-control');
  }

  /** Milliseconds of the client's deadline that are left now; undefined without one. */
  remainingMs(nowMs: number): number | undefined {
    return this.timeoutMs === undefined ? undefined : this.timeoutMs - (nowMs - this.startMs);
  }

  /** Sends one message. False: wait for `onDrain` before the next. */
  send(frame: Frame): boolean {
    if (this.#over) return true;
    if (this.#outgoing === undefined && !this.#compresses(frame)) return this.#stream.write(sealFrame(frame, false));
    this.#queue(frame, undefined);
    return false;
  }

  /** The last message of the call and its good end. */
  reply(frame: Frame): void {
    if (this.#over) return;
    if (this.#outgoing === undefined && !this.#compresses(frame)) {
      this.#close();
      this.#stream.end(sealFrame(frame, false), withFacts(okTrailers, this.facts));
    } else this.#queue(frame, withFacts(okTrailers, this.facts));
  }

  /** The good end of a streaming call. */
  finish(): void {
    this.#end(withFacts(okTrailers, this.facts));
  }

  /** Ends the call with the status of the error. */
  fail(thrown: unknown): void {
    if (this.#over) return;
    this.context.logFailure(this.path, thrown);
    this.#end(withFacts(errorTrailers(thrown), this.facts));
  }

  /** Ends the call although its method has not said so; the method is told. */
  abort(error: unknown): void {
    if (this.#over) return;
    const sink = this.#sink;
    this.fail(error);
    sink.onGone(error);
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  onData(chunk: Buffer): boolean {
    if (this.#over) return false;
    try {
      return this.#frames.push(chunk);
    } catch (error) {
      this.abort(error);
      return true;
    }
  }

  onEnd(): void {
    if (this.#over) return;
    if (!this.#frames.isBetweenMessages) {
      this.abort(invalidInput('message', 'The stream ended within a message.'));
    } else if (this.#incoming === undefined) this.#sink.onEnd();
    else this.#incoming = this.#incoming.then(() => this.#finishIncoming());
  }

  onGone(): void {
    if (this.#over) return;
    this.#close();
    this.#sink.onGone();
  }

  onDrain(): void {
    this.#sink.onDrain?.();
  }

  readonly #take = (message: Buffer, compressed: boolean): void => {
    if (this.#incoming === undefined && !compressed) {
      if (!this.#over) this.#sink.onMessage(message);
      return;
    }
    this.#incoming = (this.#incoming ?? Promise.resolve()).then(async () => {
      if (this.#over) return;
      try {
        const { decodeLimits } = this.context;
        const plain = compressed ? await decompress(message, this.#encoding, decodeLimits) : message;
        if (!this.#over) this.#sink.onMessage(plain);
      } catch (error) {
        this.abort(error);
      }
    });
  };

  #finishIncoming(): void {
    if (!this.#over) this.#sink.onEnd();
  }

  #close(): void {
    this.#over = true;
    this.#frames.discard();
  }

  /** Compressed answers only to those who compress themselves: tensors hardly shrink, and deflating one takes long. */
  #repliesGzip(): boolean {
    const accepted = this.#stream.header('grpc-accept-encoding');
    return this.#encoding === 'gzip' && accepted !== undefined && /\bgzip\b/.test(accepted);
  }

  #compresses(frame: Frame): boolean {
    return this.#compressMinBytes > 0 && frame.length >= this.#compressMinBytes;
  }

  /** Behind what is being compressed. */
  #queue(frame: Frame, trailers: Trailers | undefined): void {
    this.#outgoing = (this.#outgoing ?? Promise.resolve()).then(async () => {
      if (this.#over) return;
      try {
        const small = this.#compresses(frame) ? frameOf(await compress(joinFrame(frame))) : frame;
        const chunks = sealFrame(small, small !== frame);
        if (this.#over) return;
        if (trailers === undefined && this.#stream.write(chunks)) this.onDrain();
        if (trailers === undefined) return;
        this.#close();
        this.#stream.end(chunks, trailers);
      } catch (error) {
        this.abort(error);
      }
    });
  }

  #end(trailers: Trailers): void {
    if (this.#over) return;
    const close = () => {
      if (this.#over) return;
      this.#close();
      this.#stream.end([], trailers);
    };
    if (this.#outgoing === undefined) close();
    else this.#outgoing = this.#outgoing.then(close);
  }
}

const noFacts: readonly string[] = [];

const ignoringSink: MessageSink = { onMessage() {}, onEnd() {}, onGone() {} };

/** The sink of a call that has already failed. */
export function refuse(call: ServerCall, error: HotpathError): MessageSink {
  call.fail(error);
  return ignoringSink;
}

/** A method with one message in and one out. What `run` throws is the status. */
export function unary(run: (message: Buffer, call: ServerCall) => Promise<Uint8Array>): Method {
  return (call) => {
    let message: Buffer | undefined;
    call.context.receiving.add(call);
    return {
      onMessage(received) {
        if (message !== undefined) throw oneMessage();
        message = received;
      },
      onEnd() {
        call.context.receiving.delete(call);
        if (message === undefined) call.fail(oneMessage());
        else
          run(message, call)
            .then((answer) => call.reply(frameOf(answer)))
            .catch((error) => call.fail(error));
      },
      onGone() {
        call.context.receiving.delete(call);
      },
    };
  };
}

export function oneMessage(): HotpathError {
  return new HotpathError('INVALID_INPUT', 'The call takes exactly one message.');
}
