/**
 * gRPC's framing of messages on their way in. Used by call.ts, one per stream. A small message that arrives in one piece is handed
 * on as a view of what the socket delivered; a large one is copied once, into memory of its own.
 */
import { HotpathError } from '../../core/errors.ts';
import type { MessagePool } from '../message-pool.ts';
import { prefixBytes } from './frame.ts';
import type { ReceiveBudget } from './receive-budget.ts';

/** A client that announces a large message gets no more memory than this before it has sent so much. */
const maxUnprovenBytes = 1024 * 1024;

export type OnMessage = (message: Buffer, compressed: boolean) => void;

export class FrameReader {
  readonly #maxBytes: number;
  readonly #budget: ReceiveBudget;
  readonly #pool: MessagePool;
  readonly #onMessage: OnMessage;
  readonly #prefix = Buffer.allocUnsafe(prefixBytes);
  #prefixed = 0;
  /** Bytes of the message being collected; -1 between messages. */
  #length = -1;
  #received = 0;
  #body: Buffer | undefined;

  /** A message of the chunk being read is a view of it. */
  #isKept = false;

  /** Taken from the budget for the message under way. */
  #taken = 0;

  constructor(maxBytes: number, budget: ReceiveBudget, pool: MessagePool, onMessage: OnMessage) {
    this.#maxBytes = maxBytes;
    this.#budget = budget;
    this.#pool = pool;
    this.#onMessage = onMessage;
  }

  /** False while a message is under way: a stream that ends then was cut. */
  get isBetweenMessages(): boolean {
    return this.#length < 0 && this.#prefixed === 0;
  }

  /** Gives up the message under way; nothing may be pushed after that. */
  discard(): void {
    this.#budget.give(this.#taken);
    this.#taken = 0;
    this.#body = undefined;
  }

  /** True when a message was handed on that is a part of the chunk. @throws PAYLOAD_TOO_LARGE, INVALID_INPUT, OVERLOADED; nothing may be pushed after that. */
  push(chunk: Buffer): boolean {
    let at = 0;
    this.#isKept = false;
    while (at < chunk.length) {
      if (this.#length < 0) at = this.#readPrefix(chunk, at);
      if (this.#length >= 0) at = this.#readBody(chunk, at);
    }
    return this.#isKept;
  }

  #readPrefix(chunk: Buffer, at: number): number {
    const count = Math.min(prefixBytes - this.#prefixed, chunk.length - at);
    chunk.copy(this.#prefix, this.#prefixed, at, at + count);
    this.#prefixed += count;
    if (this.#prefixed < prefixBytes) return at + count;
    const flag = this.#prefix[0]!;
    if (flag > 1) throw new HotpathError('INVALID_INPUT', `The flag before the message is ${flag}; expected 0 or 1.`);
    const length = this.#prefix.readUInt32BE(1);
    if (length > this.#maxBytes) {
      const message = `The message has ${length} bytes; expected at most ${this.#maxBytes}.`;
      throw new HotpathError('PAYLOAD_TOO_LARGE', message, { expected: `at most ${this.#maxBytes} bytes` });
    }
    this.#length = length;
    if (length === 0) this.#finish(Buffer.alloc(0));
    return at + count;
  }

  #readBody(chunk: Buffer, at: number): number {
    const missing = this.#length - this.#received;
    const count = Math.min(missing, chunk.length - at);
    const end = at + count;
    if (this.#received === 0 && count === missing) {
      this.#isKept = true;
      this.#finish(chunk.subarray(at, end));
    } else {
      const body = this.#roomFor(count);
      chunk.copy(body, this.#received, at, end);
      this.#received += count;
      if (this.#received === this.#length) this.#finish(body);
    }
    return end;
  }

  #roomFor(count: number): Buffer {
    let body = this.#body ?? this.#begin();
    if (this.#received + count > body.length) {
      this.#budget.take(this.#length);
      this.#taken = this.#length;
      const whole = this.#pool.take(this.#length);
      body.copy(whole, 0, 0, this.#received);
      body = whole;
    }
    this.#body = body;
    return body;
  }

  #begin(): Buffer {
    return this.#length <= maxUnprovenBytes ? this.#pool.take(this.#length) : Buffer.allocUnsafeSlow(maxUnprovenBytes);
  }

  #finish(message: Buffer): void {
    const compressed = this.#prefix[0] === 1;
    this.#prefixed = 0;
    this.#length = -1;
    this.#received = 0;
    this.discard();
    this.#onMessage(message, compressed);
  }
}
