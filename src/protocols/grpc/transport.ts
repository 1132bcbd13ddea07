/**
 * What gRPC needs from HTTP/2, and nothing more: streams with headers, bytes in, bytes and trailers out. Types only. Implemented in
 * h2/. Knows nothing of messages, statuses or models.
 */
import type { Trailers } from './status.ts';

/** One stream, from the server's side. Every call after the stream is gone does nothing. */
export interface TransportStream {
  readonly path: string;
  /** Address of the client. */
  readonly peer: string;
  /** A request header by its lower-case name. */
  header(name: string): string | undefined;
  /** Headers of the answer beside the usual ones; only before the first `write`. */
  setHeader(name: string, value: string): void;
  /** Sends bytes, after the headers if they are not out yet. False: wait for `onDrain`. The chunks are not copied. */
  write(chunks: readonly Uint8Array[]): boolean;
  /** Sends the last bytes and the trailers. With nothing sent before and no chunks: one header block that ends the stream. */
  end(chunks: readonly Uint8Array[], trailers: Trailers): void;
  /** Stops and starts the delivery of `onData`; the client is held back by flow control. */
  pause(): void;
  resume(): void;
}

/** What a stream tells. After `onGone` nothing else is called. */
export interface StreamReceiver {
  /** True: the receiver keeps the bytes, or a part of them. False: it has copied what it needs, and their memory may be used again. */
  onData(chunk: Buffer): boolean;
  /** The client has sent all it will. */
  onEnd(): void;
  /** The stream was reset or its connection lost before `end` was called. */
  onGone(): void;
  onDrain(): void;
}

export interface Transport {
  /** Resolves with the port in use. @throws EADDRINUSE and the like. */
  listen(): Promise<number>;
  /** Takes no new connections or streams; resolves when all streams and connections have ended. */
  close(): Promise<void>;
  /** Cuts every connection. */
  destroy(): Promise<void>;
}

export type AcceptStream = (stream: TransportStream) => StreamReceiver;
