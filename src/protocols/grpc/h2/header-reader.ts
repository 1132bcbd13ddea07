/**
 * Header blocks to request heads. Clients repeat themselves: a block of the same bytes on an unchanged table is the same head, and
 * is not decoded again. Also collects blocks that come in several frames, within limits. Used by connection.ts.
 */

import { maxWholeBytes } from './frame-parser.ts';
import { HpackDecoder } from './hpack-decoder.ts';
import type { Field } from './hpack-table.ts';
import { ConnectionError, errorCode } from './protocol.ts';
import { RequestHead } from './request-head.ts';

/** A client that uses few methods at once sends few kinds of blocks. */
const maxKnown = 8;
/** Longer ones are rare, and not the ones of a hot path. */
const maxKnownBytes = 256;
/** Of one block; a sane client needs two for 16 KiB. */
const maxParts = 16;

interface KnownBlock {
  readonly bytes: Buffer;
  readonly head: RequestHead;
}

export class HeaderReader {
  readonly #decoder = new HpackDecoder();
  #known: KnownBlock[] = [];
  #knownVersion = 0;
  #head = new RequestHead();
  #parts: Buffer[] = [];
  #partBytes = 0;

  /** A whole block. @throws ConnectionError. */
  read(bytes: Buffer, start: number, end: number): RequestHead {
    const known = this.#find(bytes, start, end);
    if (known !== undefined) return known;
    const version = this.#decoder.version;
    const head = new RequestHead();
    this.#head = head;
    this.#decoder.decode(bytes, start, end, this.#take);
    if (this.#decoder.version === version && end - start <= maxKnownBytes) this.#remember(bytes, start, end, head);
    return head;
  }

  /** A part of a block that goes on in another frame. @throws ConnectionError. */
  addPart(bytes: Buffer, start: number, end: number): void {
    this.#partBytes += end - start;
    if (this.#parts.length >= maxParts || this.#partBytes > maxWholeBytes) {
      throw new ConnectionError(errorCode.enhanceYourCalm, 'A header block is too long.');
    }
    this.#parts.push(Buffer.from(bytes.subarray(start, end)));
  }

  /** The block of all parts. @throws ConnectionError. */
  readParts(): RequestHead {
    const block = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#partBytes = 0;
    return this.read(block, 0, block.length);
  }

  readonly #take = (field: Field): void => this.#head.add(field);

  #find(bytes: Buffer, start: number, end: number): RequestHead | undefined {
    if (this.#knownVersion !== this.#decoder.version) return undefined;
    for (const known of this.#known) if (isSame(known.bytes, bytes, start, end)) return known.head;
    return undefined;
  }

  #remember(bytes: Buffer, start: number, end: number, head: RequestHead): void {
    if (this.#knownVersion !== this.#decoder.version || this.#known.length >= maxKnown) this.#known = [];
    this.#knownVersion = this.#decoder.version;
    this.#known.push({ bytes: Buffer.from(bytes.subarray(start, end)), head });
  }
}

/** A loop, because the blocks that match have ten to twenty bytes. */
function isSame(known: Buffer, bytes: Buffer, start: number, end: number): boolean {
  if (known.length !== end - start) return false;
  for (let at = 0; at < known.length; at++) if (known[at] !== bytes[start + at]) return false;
  return true;
}
