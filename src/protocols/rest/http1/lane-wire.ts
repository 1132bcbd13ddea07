/** One request of a lane connection. Stays harmless when the connection has gone on without it. */
import type { IncomingHttpHeaders } from 'node:http';
import { swallowBytes } from '../node-wire.ts';
import { PlainBody } from '../read-body.ts';
import type { Abandonable, AnswerBody, BodyLimits, BodyReceiver, HeaderList, Wire } from '../wire.ts';
import type { LaneConnection } from './lane-connection.ts';
import type { RequestHead } from './request-head.ts';

export class LaneWire implements Wire {
  readonly #connection: LaneConnection;
  readonly #head: RequestHead;
  /** What came with the head. */
  #begin: Buffer | undefined;
  #bodyLeft: number;
  #body: PlainBody | undefined;
  #item: Abandonable | undefined;
  #isLast = false;
  /** Nothing of the chunk that brought the head is needed any more. */
  isBeginCopied = false;
  id: string | undefined = undefined;
  readonly method = 'POST';
  readonly stream = undefined;

  constructor(connection: LaneConnection, head: RequestHead, begin: Buffer, bodyLeft: number) {
    this.#connection = connection;
    this.#head = head;
    this.#begin = begin;
    this.#bodyLeft = bodyLeft;
  }

  get url(): string {
    return this.#head.url;
  }

  get headers(): IncomingHttpHeaders {
    return this.#head.headers;
  }

  get remoteAddress(): string | undefined {
    return this.#connection.remoteAddress;
  }

  get isOpen(): boolean {
    return this.#connection.wire === this;
  }

  get leavesMuchUnread(): boolean {
    return this.#bodyLeft > swallowBytes;
  }

  receive(limits: BodyLimits, receiver: BodyReceiver): void {
    const begin = this.#begin!;
    this.#begin = undefined;
    if (this.#bodyLeft === 0) {
      receiver.onBody(begin);
      return;
    }
    this.#body = new PlainBody(this.#head.contentLength, limits, receiver);
    this.isBeginCopied = begin.length === 0 || !this.#body.add(begin);
  }

  /** The next part of the body, and how much is left after it. True when the part itself is kept. */
  addToBody(part: Buffer, left: number): boolean {
    this.#bodyLeft = left;
    const isKept = this.#body?.add(part) ?? false;
    if (left === 0) this.#body?.end();
    return isKept;
  }

  watch(item: Abandonable): void {
    this.#item = item;
  }

  unwatch(): void {
    this.#item = undefined;
  }

  abandon(): void {
    this.#item?.abandon();
  }

  closeAfterAnswer(): void {
    this.#isLast = true;
  }

  answer(status: number, headers: HeaderList, body: AnswerBody, size: number): void {
    if (this.isOpen) this.#connection.answer(status, headers, body, size, this.#isLast);
  }
}
