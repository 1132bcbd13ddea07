/**
 * One call as the transport's stream: what it received and could not deliver yet, what it has to send and may not yet. Made by
 * connection.ts; writes frames into the connection's output. Must stay harmless once it is gone.
 */
import { okTrailers, type Trailers } from '../status.ts';
import type { StreamReceiver, TransportStream } from '../transport.ts';
import { putFrameHeader } from './frames.ts';
import { errorCode, frameHeaderBytes, frameType } from './protocol.ts';
import { ReceiveWindow } from './receive-window.ts';
import type { RequestHead } from './request-head.ts';
import { SendQueue } from './send-queue.ts';
import { streamWindowBytes } from './settings.ts';
import type { StreamHost } from './stream-host.ts';

/** What a client may send after its call was answered, before its stream is reset. */
const maxDiscardedBytes = 1024 * 1024;

/** Of streams that are refused or gone. */
const deaf: StreamReceiver = { onData: () => false, onEnd() {}, onGone() {}, onDrain() {} };

/** Most streams never hold anything. */
const nothingHeld: Buffer[] = [];

export class H2Stream implements TransportStream {
  readonly id: number;
  readonly path: string;
  readonly window = new ReceiveWindow(streamWindowBytes);
  /** What the client takes on this stream. */
  sendWindow: number;
  /** The client has sent all it will. */
  isRequestOver = false;
  /** END_STREAM is written. */
  isAnswered = false;
  /** Since when the client lets it wait, by the keeper's clock; -1: it does not. */
  lateMs = -1;
  readonly #host: StreamHost;
  readonly #head: RequestHead;
  readonly #queue = new SendQueue();
  #receiver: StreamReceiver = deaf;
  #extra: Record<string, string> | undefined;
  #trailers: Trailers = okTrailers;
  #isStarted = false;
  /** `end` was called or the stream is gone. */
  #isOver = false;
  #owesDrain = false;
  #isPaused = false;
  #isDelivering = false;
  #isEndTold = false;
  /** Bytes that a paused receiver has not got; they hold back the client. */
  #held: Buffer[] = nothingHeld;
  #receivedBytes = 0;
  #discardedBytes = 0;

  constructor(host: StreamHost, id: number, head: RequestHead, sendWindow: number) {
    this.#host = host;
    this.id = id;
    this.#head = head;
    this.path = head.get(':path') ?? '';
    this.sendWindow = sendWindow;
  }

  /** Begins the delivery. */
  attach(receiver: StreamReceiver): void {
    if (!this.#isOver) this.#receiver = receiver;
  }

  get peer(): string {
    return this.#host.peer;
  }

  /** The client lets it wait: for its window, or for the rest of a request that is answered. */
  get isLate(): boolean {
    return this.#queue.bytes > 0 || this.isAnswered;
  }

  /** The client's window for this stream is open: it waits with all others of its connection. */
  get hasWindow(): boolean {
    return this.sendWindow > 0;
  }

  header(name: string): string | undefined {
    return this.#head.get(name);
  }

  setHeader(name: string, value: string): void {
    this.#extra ??= {};
    this.#extra[name] = value;
  }

  write(chunks: readonly Uint8Array[]): boolean {
    if (this.#isOver) return true;
    this.#start();
    for (const chunk of chunks) this.#queue.add(chunk);
    this.#owesDrain = false;
    this.pump();
    this.#host.wake();
    this.#owesDrain = this.#queue.bytes > 0;
    return !this.#owesDrain;
  }

  end(chunks: readonly Uint8Array[], trailers: Trailers): void {
    if (this.#isOver) return;
    this.#leave();
    this.#trailers = trailers;
    if (!this.#isStarted && chunks.length === 0) {
      this.#host.blocks.putOnly(this.id, this.#extra, trailers);
      this.#finishAnswer();
    } else {
      this.#start();
      for (const chunk of chunks) this.#queue.add(chunk);
      this.pump();
    }
    this.#host.wake();
  }

  /** An HTTP status for what is no gRPC; instead of `attach`. */
  refuse(status: number): void {
    this.#leave();
    this.#host.blocks.putStatus(this.id, status);
    this.#finishAnswer();
    this.#host.wake();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    // Called by what it delivers: the loop below goes on.
    if (this.#isDelivering) return;
    this.#isDelivering = true;
    while (this.#held.length > 0 && !this.#isPaused) this.#deliver(this.#held.shift()!);
    this.#isDelivering = false;
    this.#tellEnd();
    this.#host.wake();
  }

  /** Bytes of the request. True when they are kept, false when their memory may be used again. */
  receive(piece: Buffer): boolean {
    this.#receivedBytes += piece.length;
    if (!this.#isPaused || this.#isOver) return this.#deliver(piece);
    if (this.#held === nothingHeld) this.#held = [];
    this.#held.push(piece);
    return true;
  }

  /** False when it has another length than it said. */
  finishRequest(): boolean {
    const wanted = this.#head.contentLength;
    if (wanted >= 0 && wanted !== this.#receivedBytes) return false;
    this.isRequestOver = true;
    if (this.isAnswered) this.#host.finish(this);
    else this.#tellEnd();
    return true;
  }

  /** Sends what may be sent now. */
  pump(): void {
    const queue = this.#queue;
    const { output } = this.#host;
    while (queue.bytes > 0) {
      const room = Math.min(queue.bytes, this.sendWindow, this.#host.sendWindow, this.#host.maxFrameBytes);
      if (room <= 0 || output.isCongested) {
        this.#host.wait(this);
        return;
      }
      this.#putData(room);
    }
    if (this.#isOver) {
      if (!this.isAnswered) this.#putTrailers();
    } else if (this.#owesDrain) {
      this.#owesDrain = false;
      this.#receiver.onDrain();
    }
  }

  /** The stream was reset, or its connection is lost. */
  drop(): void {
    const receiver = this.#receiver;
    const wasOver = this.#isOver;
    this.#leave();
    this.isAnswered = true;
    if (!wasOver) receiver.onGone();
  }

  #deliver(piece: Buffer): boolean {
    const isKept = this.#isOver ? false : this.#receiver.onData(piece);
    this.#host.credit(this, piece.length, !this.isRequestOver);
    if (this.#isOver) this.#discard(piece.length);
    return isKept;
  }

  /**
   * The call was answered before its request was complete. Clients stop by themselves when they read that; a reset right behind
   * the answer makes some of them lose it.
   */
  #discard(bytes: number): void {
    this.#discardedBytes += bytes;
    if (this.isAnswered && this.#discardedBytes > maxDiscardedBytes) this.#host.reset(this, errorCode.noError);
  }

  /** Lets go of the call. */
  #leave(): void {
    this.#isOver = true;
    this.#receiver = deaf;
    const held = this.#held;
    this.#held = nothingHeld;
    for (const piece of held) this.#host.credit(this, piece.length, false);
  }

  #tellEnd(): void {
    if (!this.isRequestOver || this.#isPaused || this.#isEndTold || this.#isOver) return;
    this.#isEndTold = true;
    this.#receiver.onEnd();
  }

  #start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#host.blocks.putResponse(this.id, this.#extra);
  }

  #putData(length: number): void {
    const { output } = this.#host;
    this.lateMs = -1;
    this.sendWindow -= length;
    this.#host.sendWindow -= length;
    const header = output.room(frameHeaderBytes);
    putFrameHeader(header, output.take(frameHeaderBytes), length, frameType.data, 0, this.id);
    for (let left = length; left > 0; ) {
      const piece = this.#queue.take(left);
      output.add(piece);
      left -= piece.length;
    }
  }

  #putTrailers(): void {
    this.#host.blocks.putTrailers(this.id, this.#trailers);
    this.#finishAnswer();
  }

  #finishAnswer(): void {
    this.isAnswered = true;
    if (this.isRequestOver) this.#host.finish(this);
  }
}
