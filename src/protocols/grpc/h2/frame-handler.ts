/**
 * What each frame of a client means for its connection and streams (RFC 9113, sections 5 and 6). One per connection. A client's
 * mistake with a stream resets that; any other is thrown, and ends the connection.
 */
import type { H2Connection } from './connection.ts';
import { Floods } from './floods.ts';
import type { FrameSink } from './frame-parser.ts';
import { isDrainPing, pong } from './frames.ts';
import { H2Stream } from './h2-stream.ts';
import { HeaderReader } from './header-reader.ts';
import { ConnectionError, errorCode, flag, frameType, max31Bits, protocolError } from './protocol.ts';
import type { RequestHead } from './request-head.ts';
import { PeerSettings, settingsAck } from './settings.ts';

const priorityBytes = 5;

export class FrameHandler implements FrameSink {
  readonly settings = new PeerSettings();
  isGreeted = false;
  /** A stream keeps bytes of the socket's chunk that is being read. */
  keepsChunk = false;
  readonly #connection: H2Connection;
  readonly #headers = new HeaderReader();
  readonly #floods: Floods;
  /** Of the DATA frame under way; undefined: nobody wants it. */
  #dataStream: H2Stream | undefined;
  #hasData = false;
  /** Bytes of it that belong to no piece: padding. */
  #uncredited = 0;
  /** Whose header block goes on in the next frame; 0: none does. */
  #openBlockId = 0;
  #openBlockFlags = 0;

  constructor(connection: H2Connection) {
    this.#connection = connection;
    this.#floods = new Floods(connection.options.clock);
  }

  onDataBegin(streamId: number, length: number): void {
    this.#checkBlock(frameType.data, streamId);
    if (streamId === 0) throw protocolError('DATA without a stream.');
    const connection = this.#connection;
    if (!connection.window.receive(length)) throw overflow('connection');
    this.#hasData = false;
    this.#uncredited = length;
    const stream = connection.streams.get(streamId);
    this.#dataStream = stream;
    if (stream === undefined) this.#checkClosed(streamId);
    else if (stream.isRequestOver) this.#blame(stream, errorCode.streamClosed);
    else if (!stream.window.receive(length)) this.#blame(stream, errorCode.flowControlError);
  }

  onDataPiece(piece: Buffer): void {
    this.#hasData = true;
    this.#uncredited -= piece.length;
    const stream = this.#dataStream;
    if (stream === undefined) this.#connection.creditConnection(piece.length);
    else if (stream.receive(piece)) this.keepsChunk = true;
  }

  onDataEnd(isLast: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = undefined;
    if (!isLast && !this.#hasData) this.#floods.idleFrame();
    if (stream === undefined) this.#connection.creditConnection(this.#uncredited);
    else {
      if (this.#uncredited > 0) this.#connection.credit(stream, this.#uncredited, !isLast);
      if (isLast) this.#endRequest(stream);
    }
  }

  onUnknown(): void {
    if (this.#openBlockId !== 0) throw protocolError('A header block does not go on.');
    this.#floods.idleFrame();
  }

  onFrame(type: number, flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#checkBlock(type, streamId);
    if (type === frameType.headers) this.#onHeaders(flags, streamId, bytes, start, end);
    else if (type === frameType.windowUpdate) this.#onWindowUpdate(streamId, bytes, start, end);
    else if (type === frameType.rstStream) this.#onReset(streamId, end - start);
    else if (type === frameType.settings) this.#onSettings(flags, streamId, bytes, start, end);
    else if (type === frameType.ping) this.#onPing(flags, streamId, bytes, start, end);
    else if (type === frameType.continuation) this.#onContinuation(flags, streamId, bytes, start, end);
    else if (type === frameType.priority) this.#onPriority(streamId, end - start);
    else if (type === frameType.goaway) this.#onGoaway(streamId, end - start);
    else throw protocolError('Clients may not push.');
  }

  /** Between the frames of a header block nothing else may come. */
  #checkBlock(type: number, streamId: number): void {
    const open = this.#openBlockId;
    if (open === 0 ? type === frameType.continuation : type !== frameType.continuation || streamId !== open) {
      throw protocolError('CONTINUATION is missing or out of place.');
    }
  }

  /** Frames of streams that are no more: a mistake unless they crossed our reset or GOAWAY. */
  #checkClosed(streamId: number): void {
    const { streams } = this.#connection;
    if (streams.isIdle(streamId)) throw protocolError('A frame on a stream that was not opened.');
    if (streams.isIgnored(streamId)) return;
    this.#floods.reset();
    this.#connection.refuse(streamId, errorCode.streamClosed);
  }

  #onHeaders(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId % 2 === 0) throw protocolError('HEADERS on a stream that clients cannot open.');
    if ((flags & flag.padded) !== 0) {
      if (start === end) throw wrongSize('HEADERS');
      end -= bytes[start++]!;
    }
    if ((flags & flag.priority) !== 0) start += priorityBytes;
    if (start > end) throw protocolError('HEADERS shorter than its padding.');
    if ((flags & flag.endHeaders) !== 0) {
      this.#onBlock(streamId, flags, this.#headers.read(bytes, start, end));
      return;
    }
    this.#openBlockId = streamId;
    this.#openBlockFlags = flags;
    this.#headers.addPart(bytes, start, end);
  }

  #onContinuation(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    this.#headers.addPart(bytes, start, end);
    if ((flags & flag.endHeaders) === 0) return;
    this.#openBlockId = 0;
    this.#onBlock(streamId, this.#openBlockFlags, this.#headers.readParts());
  }

  #onBlock(streamId: number, flags: number, head: RequestHead): void {
    const { streams } = this.#connection;
    const isLast = (flags & flag.endStream) !== 0;
    const stream = streams.get(streamId);
    if (stream !== undefined) this.#onTrailers(stream, isLast, head);
    else if (streamId > streams.lastId) this.#open(streamId, isLast, head);
    else if (!streams.isIgnored(streamId)) {
      throw new ConnectionError(errorCode.streamClosed, 'HEADERS on a closed stream.');
    }
  }

  #onTrailers(stream: H2Stream, isLast: boolean, head: RequestHead): void {
    if (stream.isRequestOver) this.#blame(stream, errorCode.streamClosed);
    else if (!isLast || !head.isTrailers) this.#blame(stream, errorCode.protocolError);
    else this.#endRequest(stream);
  }

  #open(streamId: number, isLast: boolean, head: RequestHead): void {
    const connection = this.#connection;
    const { streams, options } = connection;
    streams.see(streamId);
    if (streams.isClosing) return;
    const isMalformed = !head.isTooLarge && !head.isRequest;
    if (isMalformed || streams.size >= options.maxStreams) {
      this.#floods.reset();
      connection.refuse(streamId, isMalformed ? errorCode.protocolError : errorCode.refusedStream);
      return;
    }
    const stream = new H2Stream(connection, streamId, head, this.settings.windowBytes);
    streams.add(stream);
    const refusal = head.refusalStatus;
    if (refusal !== 0) stream.refuse(refusal);
    else stream.attach(options.accept(stream));
    if (isLast) this.#endRequest(stream);
  }

  #endRequest(stream: H2Stream): void {
    if (!stream.finishRequest()) this.#blame(stream, errorCode.protocolError);
  }

  /** The client's mistake with one stream. */
  #blame(stream: H2Stream, code: number): void {
    if (this.#dataStream === stream) this.#dataStream = undefined;
    this.#floods.reset();
    this.#connection.reset(stream, code);
  }

  #onReset(streamId: number, length: number): void {
    if (length !== 4) throw wrongSize('RST_STREAM');
    const { streams } = this.#connection;
    if (streams.isIdle(streamId)) throw protocolError('RST_STREAM on a stream that was not opened.');
    this.#floods.reset();
    const stream = streams.get(streamId);
    if (stream !== undefined) this.#connection.lose(stream);
  }

  #onWindowUpdate(streamId: number, bytes: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw wrongSize('WINDOW_UPDATE');
    const increment = bytes.readUInt32BE(start) & max31Bits;
    const connection = this.#connection;
    if (streamId === 0) {
      if (increment === 0) throw protocolError('WINDOW_UPDATE of nothing.');
      connection.sendWindow += increment;
      if (connection.sendWindow > max31Bits) throw overflow('connection');
      connection.pumpWaiting();
      return;
    }
    const stream = connection.streams.get(streamId);
    if (stream === undefined) {
      if (connection.streams.isIdle(streamId)) throw protocolError('WINDOW_UPDATE on a stream that was not opened.');
      return;
    }
    stream.sendWindow += increment;
    if (increment === 0) this.#blame(stream, errorCode.protocolError);
    else if (stream.sendWindow > max31Bits) this.#blame(stream, errorCode.flowControlError);
    else connection.pump(stream);
  }

  #onSettings(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) throw protocolError('SETTINGS on a stream.');
    if ((flags & flag.ack) !== 0) {
      if (end > start) throw wrongSize('SETTINGS');
      return;
    }
    if (this.isGreeted) this.#floods.ping();
    this.isGreeted = true;
    const connection = this.#connection;
    const before = this.settings.windowBytes;
    this.settings.read(bytes, start, end);
    if (this.settings.saidTableSize) connection.blocks.mustShrinkTable = true;
    this.settings.saidTableSize = false;
    connection.output.add(settingsAck);
    this.#growWindows(this.settings.windowBytes - before);
  }

  #growWindows(bytes: number): void {
    if (bytes === 0) return;
    for (const stream of this.#connection.streams.values()) {
      stream.sendWindow += bytes;
      if (stream.sendWindow > max31Bits) throw overflow('stream');
    }
    this.#connection.pumpWaiting();
  }

  #onPing(flags: number, streamId: number, bytes: Buffer, start: number, end: number): void {
    if (streamId !== 0) throw protocolError('PING on a stream.');
    if (end - start !== 8) throw wrongSize('PING');
    if ((flags & flag.ack) === 0) {
      this.#floods.ping();
      this.#connection.output.add(pong(bytes.subarray(start, end)));
      return;
    }
    if (isDrainPing(bytes, start)) this.#connection.close();
  }

  /** The client opens no more streams; those it has are answered. */
  #onGoaway(streamId: number, length: number): void {
    if (streamId !== 0) throw protocolError('GOAWAY on a stream.');
    if (length < 8) throw wrongSize('GOAWAY');
  }

  #onPriority(streamId: number, length: number): void {
    if (streamId === 0) throw protocolError('PRIORITY without a stream.');
    this.#floods.idleFrame();
    if (length === priorityBytes) return;
    const stream = this.#connection.streams.get(streamId);
    if (stream === undefined) throw wrongSize('PRIORITY');
    this.#blame(stream, errorCode.frameSizeError);
  }
}

function overflow(what: string): ConnectionError {
  return new ConnectionError(errorCode.flowControlError, `The window of the ${what} is overrun.`);
}

function wrongSize(what: string): ConnectionError {
  return new ConnectionError(errorCode.frameSizeError, `${what} of a wrong length.`);
}
