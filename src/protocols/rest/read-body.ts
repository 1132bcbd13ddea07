/**
 * Collects one request body. With a Content-Length the bytes go straight into one buffer of exactly that size, which later is
 * the tensor itself; small bodies arrive as one chunk and are used as they are. Nobody is called when the
 * client leaves before the end: the connection tells that.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { HotpathError, toHotpathError } from '../../core/errors.ts';
import type { MessagePool } from '../message-pool.ts';
import { decoderFor, refuseBomb } from './decompress.ts';
import type { BodyLimits, BodyReceiver } from './wire.ts';

const empty = Buffer.alloc(0);

/** Refuses by Content-Length before a byte is read. */
export function readBody(
  request: IncomingMessage,
  response: ServerResponse,
  limits: BodyLimits,
  receiver: BodyReceiver,
): void {
  const { headers } = request;
  const length = headers['content-length'];
  const declared = length === undefined ? -1 : Number(length);
  if (declared > limits.maxBytes) {
    receiver.fail(tooLarge(limits.maxBytes));
    return;
  }
  let decoder: Duplex | undefined;
  try {
    decoder = decoderFor(headers['content-encoding']);
  } catch (error) {
    receiver.fail(toHotpathError(error));
    return;
  }
  if (headers.expect !== undefined) response.writeContinue();
  if (decoder === undefined) collectPlain(request, new PlainBody(declared, limits, receiver));
  else collectDecoded(request, decoder, limits, receiver);
}

/** Collects what is added, then hands it over at `end`. `declared` is the Content-Length, -1 when there is none. */
export class PlainBody {
  readonly #declared: number;
  readonly #maxBytes: number;
  readonly #pool: MessagePool;
  #receiver: BodyReceiver | undefined;
  #whole: Buffer | undefined;
  #chunks: Buffer[] | undefined;
  #length = 0;

  constructor(declared: number, { maxBytes, pool }: BodyLimits, receiver: BodyReceiver) {
    this.#declared = declared;
    this.#maxBytes = maxBytes;
    this.#pool = pool;
    this.#receiver = receiver;
  }

  /** True when the chunk itself is kept: nobody may change or free its memory. */
  add(chunk: Buffer): boolean {
    const start = this.#length;
    this.#length += chunk.length;
    if (start === 0 && this.#length === this.#declared) {
      this.#whole = chunk;
      return true;
    }
    if (this.#declared > 0 && this.#length <= this.#declared) {
      // Not zeroed: a body shorter than declared never ends well, so every byte is overwritten.
      this.#whole ??= this.#pool.take(this.#declared);
      chunk.copy(this.#whole, start);
      return false;
    }
    if (this.#length > this.#maxBytes) {
      this.#refuse();
      return false;
    }
    this.#chunks ??= [];
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    if (this.#declared >= 0 && this.#length !== this.#declared)
      receiver.fail(wrongLength(this.#length, this.#declared));
    else receiver.onBody(this.#whole ?? (this.#chunks === undefined ? empty : join(this.#chunks, this.#length)));
  }

  #refuse(): void {
    this.#chunks = undefined;
    this.#receiver?.fail(tooLarge(this.#maxBytes));
    this.#receiver = undefined;
  }
}

function collectPlain(request: IncomingMessage, body: PlainBody): void {
  request.on('data', (chunk: Buffer) => body.add(chunk));
  request.on('end', () => body.end());
}

function collectDecoded(request: IncomingMessage, decoder: Duplex, limits: BodyLimits, receiver: BodyReceiver): void {
  const chunks: Buffer[] = [];
  let encoded = 0;
  let decoded = 0;
  let settled = false;
  const refuse = (error: HotpathError): void => {
    if (settled) return;
    settled = true;
    request.unpipe(decoder);
    decoder.destroy();
    request.resume();
    receiver.fail(error);
  };
  request.on('data', (chunk: Buffer) => {
    encoded += chunk.length;
    if (encoded > limits.maxBytes) refuse(tooLarge(limits.maxBytes));
  });
  decoder.on('data', (chunk: Buffer) => {
    decoded += chunk.length;
    const bomb = refuseBomb(decoded, encoded, limits.maxBytes, limits.maxRatio);
    if (bomb === undefined) chunks.push(chunk);
    else refuse(bomb);
  });
  decoder.on('end', () => {
    if (!settled) receiver.onBody(join(chunks, decoded));
    settled = true;
  });
  decoder.on('error', () => {
    refuse(new HotpathError('INVALID_INPUT', 'The body does not match its Content-Encoding.', { field: 'body' }));
  });
  request.once('close', () => {
    if (!settled && !request.complete) decoder.destroy();
  });
  request.pipe(decoder);
}

/** One buffer of its own, which Buffer.concat does not promise: it may hand out a slice of a shared pool. */
function join(chunks: readonly Buffer[], length: number): Buffer {
  const whole = Buffer.allocUnsafeSlow(length);
  let offset = 0;
  for (const chunk of chunks) offset += chunk.copy(whole, offset);
  return whole;
}

function tooLarge(maxBytes: number): HotpathError {
  return new HotpathError('PAYLOAD_TOO_LARGE', `The body is larger than ${maxBytes} bytes.`, {
    expected: `at most ${maxBytes} bytes`,
  });
}

function wrongLength(length: number, declared: number): HotpathError {
  return new HotpathError('INVALID_INPUT', `The body has ${length} bytes, Content-Length says ${declared}.`);
}
