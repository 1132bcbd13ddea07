/**
 * Splits one gRPC message into its top-level byte fields while its chunks arrive. Each field's bytes are copied once, into an
 * ArrayBuffer of exactly their length, so that a tensor in it is aligned and needs no second copy. Scalar fields are skipped.
 */
import { malformed } from './proto-reader.ts';
import { unfilled } from './tensor-bytes.ts';
import { brokenAnswer } from './upstream-failure.ts';

type State = 'prefix' | 'tag' | 'length' | 'bytes' | 'varint';

const empty = new Uint8Array(0);

export class FieldStream {
  readonly #onField: (field: number, bytes: Uint8Array<ArrayBuffer>) => void;
  #state: State = 'prefix';
  /** Bytes of the message that are still to come; of the prefix at first. */
  #left = 5;
  #prefix = 0;
  #value = 0;
  #factor = 1;
  #field = 0;
  #target: Uint8Array<ArrayBuffer> = empty;
  #filled = 0;
  /** A fixed32 or fixed64 is read like bytes and then dropped. */
  #dropped = false;

  constructor(onField: (field: number, bytes: Uint8Array<ArrayBuffer>) => void) {
    this.#onField = onField;
  }

  /** @throws UpstreamFailure. */
  push(chunk: Buffer): void {
    let pos = 0;
    while (pos < chunk.length) {
      if (this.#state === 'bytes') pos = this.#fill(chunk, pos);
      else this.#byte(chunk[pos++]!);
    }
  }

  /** @throws UpstreamFailure when the message is not whole. */
  finish(): void {
    if (this.#state !== 'tag' || this.#left !== 0) throw brokenAnswer('the message is cut off');
  }

  #byte(byte: number): void {
    if (this.#state === 'prefix') {
      this.#readPrefix(byte);
      return;
    }
    if (this.#left-- === 0) throw brokenAnswer('it is longer than it says');
    this.#value += (byte & 127) * this.#factor;
    this.#factor *= 128;
    if (byte >= 128) {
      if (this.#factor > 2 ** 63) throw malformed();
      return;
    }
    const value = this.#value;
    this.#value = 0;
    this.#factor = 1;
    if (this.#state === 'tag') this.#readTag(value);
    else if (this.#state === 'length') this.#begin(value);
    else this.#state = 'tag';
  }

  #readPrefix(byte: number): void {
    if (this.#left === 5 && byte !== 0) throw brokenAnswer('it is compressed, which was not asked for');
    this.#prefix = this.#prefix * 256 + byte;
    if (--this.#left > 0) return;
    this.#left = this.#prefix;
    this.#state = 'tag';
  }

  #readTag(tag: number): void {
    this.#field = Math.floor(tag / 8);
    const wireType = tag % 8;
    this.#dropped = wireType !== 2;
    if (wireType === 2) this.#state = 'length';
    else if (wireType === 0) this.#state = 'varint';
    else if (wireType === 1) this.#begin(8);
    else if (wireType === 5) this.#begin(4);
    else throw malformed();
  }

  #begin(length: number): void {
    if (length > this.#left) throw malformed();
    this.#target = length === 0 ? empty : unfilled(length);
    this.#filled = 0;
    this.#state = 'bytes';
    if (length === 0) this.#end();
  }

  #fill(chunk: Buffer, pos: number): number {
    const count = Math.min(this.#target.length - this.#filled, chunk.length - pos);
    this.#target.set(pos === 0 && count === chunk.length ? chunk : chunk.subarray(pos, pos + count), this.#filled);
    this.#filled += count;
    this.#left -= count;
    if (this.#filled === this.#target.length) this.#end();
    return pos + count;
  }

  #end(): void {
    const bytes = this.#target;
    this.#target = empty;
    this.#state = 'tag';
    if (!this.#dropped) this.#onField(this.#field, bytes);
  }
}
