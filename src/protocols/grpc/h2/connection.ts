/**
 * One HTTP/2 connection: its socket, what is to be sent and when, and how it ends. What frames mean is in frame-handler.ts; time is
 * brought by keeper.ts. Made by h2-transport.ts.
 */
import type { Socket } from 'node:net';
import type { Clock } from '../../../ports/clock.ts';
import { releaseChunk } from '../../release-chunk.ts';
import type { AcceptStream } from '../transport.ts';
import { FrameHandler } from './frame-handler.ts';
import { FrameParser } from './frame-parser.ts';
import { drainPing, goaway, keepalivePing, rstStream, windowUpdate } from './frames.ts';
import type { H2Stream } from './h2-stream.ts';
import { Output } from './output.ts';
import { ConnectionError, defaultWindowBytes, errorCode, max31Bits } from './protocol.ts';
import { ReceiveWindow } from './receive-window.ts';
import { ResponseBlocks } from './response-blocks.ts';
import { connectionWindowBytes, ourSettings } from './settings.ts';
import type { StreamHost } from './stream-host.ts';
import { StreamTable } from './stream-table.ts';

export interface ConnectionOptions {
  readonly clock: Clock;
  readonly maxStreams: number;
  readonly accept: AcceptStream;
  /** A failure of ours, or a client's mistake. */
  readonly onError: (error: unknown) => void;
}

export class H2Connection implements StreamHost {
  readonly peer: string;
  readonly socket: Socket;
  readonly output: Output;
  readonly blocks: ResponseBlocks;
  readonly streams = new StreamTable();
  readonly window = new ReceiveWindow(connectionWindowBytes);
  readonly options: ConnectionOptions;
  sendWindow = defaultWindowBytes;
  readonly #parser: FrameParser;
  readonly #frames: FrameHandler;
  /** Streams with bytes that must wait. */
  #waiting = new Set<H2Stream>();
  /** Some of them wait for the socket, not for the client's windows. */
  #isStalled = false;
  #isReading = false;
  #isWoken = false;
  /** Nothing more is sent or read. */
  #isEnded = false;
  #isWarned = false;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.socket = socket;
    this.options = options;
    this.peer = socket.remoteAddress ?? '';
    this.output = new Output(socket);
    this.blocks = new ResponseBlocks(this.output);
    this.#frames = new FrameHandler(this);
    this.#parser = new FrameParser(this.#frames);
    this.output.add(ourSettings(options.maxStreams));
    this.output.add(windowUpdate(0, connectionWindowBytes - defaultWindowBytes));
    this.#flush();
    socket.on('data', this.#onData);
    socket.on('drain', this.#onDrain);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onClose);
    socket.on('error', ignore);
  }

  get maxFrameBytes(): number {
    return this.#frames.settings.maxFrameBytes;
  }

  /** The client has sent its preface and settings. */
  get isGreeted(): boolean {
    return this.#frames.isGreeted;
  }

  /** It has said its last. */
  get isEnded(): boolean {
    return this.#isEnded;
  }

  ping(): void {
    this.output.add(keepalivePing);
    this.wake();
  }

  /**
   * Announces the end without refusing anything yet; once the client has confirmed, all it had sent before it knew is here, and
   * `close` follows.
   */
  warn(): void {
    if (this.#isWarned || this.#isEnded || this.streams.isClosing) return;
    this.#isWarned = true;
    this.output.add(goaway(max31Bits));
    this.output.add(drainPing);
    this.wake();
  }

  /** Takes no more streams, and ends when those it has have ended. */
  close(): void {
    if (this.#isEnded || this.streams.isClosing) return;
    this.streams.close();
    this.output.add(goaway(this.streams.lastId));
    this.wake();
    this.#endIfDone();
  }

  destroy(): void {
    this.socket.destroy();
  }

  wake(): void {
    if (this.#isReading || this.#isWoken || this.#isEnded) return;
    this.#isWoken = true;
    // Behind all answers of the same batch.
    process.nextTick(this.#flushWoken);
  }

  wait(stream: H2Stream): void {
    this.#waiting.add(stream);
    this.#isStalled ||= this.output.isCongested;
  }

  credit(stream: H2Stream, bytes: number, isOpen: boolean): void {
    this.creditConnection(bytes);
    if (!isOpen) return;
    const more = stream.window.consume(bytes);
    if (more > 0 && this.streams.get(stream.id) === stream) this.output.add(windowUpdate(stream.id, more));
  }

  creditConnection(bytes: number): void {
    const more = this.window.consume(bytes);
    if (more > 0) this.output.add(windowUpdate(0, more));
  }

  finish(stream: H2Stream): void {
    this.streams.delete(stream);
    this.#endIfDone();
  }

  /** The client has ended it before its time. */
  lose(stream: H2Stream): void {
    this.streams.delete(stream);
    this.#waiting.delete(stream);
    stream.drop();
    this.#endIfDone();
  }

  reset(stream: H2Stream, code: number): void {
    if (this.streams.get(stream.id) !== stream) return;
    this.refuse(stream.id, code);
    this.lose(stream);
  }

  /** Resets a stream that may not even exist. */
  refuse(streamId: number, code: number): void {
    this.streams.ignore(streamId);
    this.output.add(rstStream(streamId, code));
    this.wake();
  }

  /** Windows have grown: what waited may go. */
  pumpWaiting(): void {
    if (this.#waiting.size === 0) return;
    const waiting = this.#waiting;
    this.#waiting = new Set();
    for (const stream of waiting) stream.pump();
    this.wake();
  }

  /** The window of one stream has grown. */
  pump(stream: H2Stream): void {
    if (this.#waiting.delete(stream)) stream.pump();
    this.wake();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#isEnded) return;
    this.#isReading = true;
    this.#frames.keepsChunk = false;
    try {
      this.#parser.push(chunk);
    } catch (error) {
      this.#fail(error);
    }
    this.#isReading = false;
    this.#flush();
    if (!this.#frames.keepsChunk) releaseChunk(chunk);
    // Answers of headers alone are held back by nothing else.
    if (this.output.isFlooded) this.socket.pause();
  };

  readonly #onDrain = (): void => {
    this.socket.resume();
    this.#flush();
  };

  readonly #flushWoken = (): void => {
    this.#isWoken = false;
    this.#flush();
  };

  #flush(): void {
    if (this.#isEnded) return;
    this.output.flush();
    while (this.#isStalled && !this.output.isCongested) {
      this.#isStalled = false;
      this.pumpWaiting();
      this.output.flush();
    }
  }

  /** Tells the client why, and leaves it time to read that. */
  #fail(error: unknown): void {
    const isMistake = error instanceof ConnectionError;
    this.options.onError(error);
    this.output.add(goaway(this.streams.lastId, isMistake ? error.code : errorCode.internalError));
    this.#end();
  }

  #endIfDone(): void {
    if (this.streams.isClosing && this.streams.size === 0) this.#end();
  }

  #end(): void {
    if (this.#isEnded) return;
    this.output.flush();
    this.#isEnded = true;
    this.socket.end();
    this.socket.resume();
    this.#dropAll();
  }

  #dropAll(): void {
    this.#waiting.clear();
    for (const stream of this.streams.takeAll()) stream.drop();
  }

  /** A client that ends its side has left; node ends ours. */
  readonly #onEnd = (): void => {
    this.#isEnded = true;
    this.#dropAll();
  };

  readonly #onClose = (): void => {
    this.#isEnded = true;
    this.#dropAll();
  };
}

/** `close` follows, and tells all that matters. */
function ignore(): void {}
