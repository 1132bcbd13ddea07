/**
 * One HTTP request and its answer, as the REST API sees them. Two makers: the lean HTTP/1.1 lane of the predict routes (http1/), and
 * node's own server for everything else (node-wire.ts). Types only.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Writable } from 'node:stream';
import type { HotpathError } from '../../core/errors.ts';
import type { MessagePool } from '../message-pool.ts';

/** Name, value, name, value: the form node writes without an intermediate object. */
export type HeaderList = string[];

export interface BodyLimits {
  readonly maxBytes: number;
  readonly maxRatio: number;
  /** Memory for bodies of several chunks. */
  readonly pool: MessagePool;
}

/** Who waits for the body. Exactly one of the two is called, once; neither when the client leaves before the end. */
export interface BodyReceiver {
  onBody(body: Buffer): void;
  fail(error: HotpathError): void;
}

export interface Abandonable {
  /** The client has left: stop working for it. */
  abandon(): void;
}

/** Chunks leave one after the other, uncopied when large. */
export type AnswerBody = string | Uint8Array | readonly Uint8Array[];

export interface Wire {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly remoteAddress: string | undefined;
  /** The request's id, once somebody has asked for it; see request-id.ts. */
  id: string | undefined;
  /** False once an answer has begun or the client has left. */
  readonly isOpen: boolean;
  /** An answer now would come before the end of a body that is too large to swallow. */
  readonly leavesMuchUnread: boolean;
  /** Collects the body. At most once. */
  receive(limits: BodyLimits, receiver: BodyReceiver): void;
  /** Calls `item.abandon` if the client leaves before `unwatch`. */
  watch(item: Abandonable): void;
  unwatch(item: Abandonable): void;
  /** The answer says `connection: close`, and the connection ends after it. Nothing on HTTP/2. Before the answer. */
  closeAfterAnswer(): void;
  /** The whole answer; `size` is the body's length in bytes. Ignored unless open. */
  answer(status: number, headers: HeaderList, body: AnswerBody, size: number): void;
  /** Begins an answer of unknown length; undefined where only whole answers can be sent. */
  readonly stream: ((status: number, headers: HeaderList) => Writable) | undefined;
}
