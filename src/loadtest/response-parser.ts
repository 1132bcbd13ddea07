/**
 * The least HTTP/1.1 response parser that measures a server honestly: status, Content-Length, keep-alive. The load generator
 * feeds it what the socket delivers, in any pieces. It must cost far less than the server it measures, so the common
 * case, one whole response in one piece, copies nothing.
 */

/** `body` is a view of the bytes pushed and is overwritten by the next push: look at it at once. */
export type ResponseListener = (status: number, body: Buffer, keepAlive: boolean) => void;

const HEAD_END = Buffer.from('\r\n\r\n');
/** More than any server's headers; beyond it the peer is not speaking HTTP. */
const MAX_HEAD_BYTES = 64 * 1024;

export class ResponseParser {
  readonly #listener: ResponseListener;
  /** Bytes of a head that is not complete yet. */
  #head: Buffer | undefined;
  /** Body being collected when it arrives in pieces. */
  #body: Buffer | undefined;
  #bodyFilled = 0;
  #status = 0;
  #keepAlive = true;

  constructor(listener: ResponseListener) {
    this.#listener = listener;
  }

  /** True between responses: a connection that closes now has cut nothing off. */
  get idle(): boolean {
    return this.#head === undefined && this.#body === undefined;
  }

  /** @throws Error when the bytes are no HTTP/1.1 response, or one without a length. */
  push(chunk: Buffer): void {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#body !== undefined) offset = this.#fillBody(this.#body, chunk, offset);
      else if (this.#head !== undefined) offset = this.#extendHead(this.#head, chunk, offset);
      else offset = this.#start(chunk, offset);
    }
  }

  #start(chunk: Buffer, offset: number): number {
    const end = chunk.indexOf(HEAD_END, offset);
    if (end >= 0) return this.#finishHead(chunk, offset, end, chunk);
    this.#head = Buffer.from(chunk.subarray(offset));
    if (this.#head.length > MAX_HEAD_BYTES) throw new Error('The response head does not end.');
    return chunk.length;
  }

  /** The blank line may straddle two pieces, so the search starts three bytes back. */
  #extendHead(head: Buffer, chunk: Buffer, offset: number): number {
    const joined = Buffer.concat([head, chunk.subarray(offset)]);
    const end = joined.indexOf(HEAD_END, Math.max(0, head.length - 3));
    if (end < 0) {
      if (joined.length > MAX_HEAD_BYTES) throw new Error('The response head does not end.');
      this.#head = joined;
      return chunk.length;
    }
    this.#head = undefined;
    const consumed = this.#finishHead(joined, 0, end, joined);
    return offset + consumed - head.length;
  }

  /** Reads the head at [start, end) and takes the body from `source` if all of it is there. Returns the next offset. */
  #finishHead(bytes: Buffer, start: number, end: number, source: Buffer): number {
    const head = bytes.toString('latin1', start, end);
    if (!head.startsWith('HTTP/1.') || head.charCodeAt(8) !== 32) throw new Error('Not an HTTP/1.1 response.');
    const status = Number(head.slice(9, 12));
    const bodyStart = end + HEAD_END.length;
    if (status >= 100 && status < 200) return bodyStart;
    const length = bodyLength(head, status);
    const keepAlive = !/\r\nconnection: *close/i.test(head);
    if (bodyStart + length <= source.length) {
      this.#listener(status, source.subarray(bodyStart, bodyStart + length), keepAlive);
      return bodyStart + length;
    }
    this.#status = status;
    this.#keepAlive = keepAlive;
    this.#body = Buffer.allocUnsafe(length);
    this.#bodyFilled = source.copy(this.#body, 0, bodyStart);
    return source.length;
  }

  #fillBody(body: Buffer, chunk: Buffer, offset: number): number {
    const taken = chunk.copy(body, this.#bodyFilled, offset);
    this.#bodyFilled += taken;
    if (this.#bodyFilled === body.length) {
      this.#body = undefined;
      this.#listener(this.#status, body, this.#keepAlive);
    }
    return offset + taken;
  }
}

function bodyLength(head: string, status: number): number {
  if (status === 204 || status === 304) return 0;
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  if (length === undefined) throw new Error(`A response with status ${status} has no Content-Length.`);
  return Number(length);
}
