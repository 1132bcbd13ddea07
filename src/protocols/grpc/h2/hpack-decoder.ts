/**
 * Reads header blocks (RFC 7541). One per connection, as blocks build on each other; every block must be read to its end, whatever
 * becomes of its request. Knows no meaning of fields.
 */
import { type Field, HpackTable } from './hpack-table.ts';
import { decodeHuffman } from './huffman.ts';
import { ConnectionError, errorCode } from './protocol.ts';

/** What SETTINGS_HEADER_TABLE_SIZE is when nothing is said about it. */
const tableBytes = 4096;

export class HpackDecoder {
  readonly #table = new HpackTable(tableBytes);
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #end = 0;

  /** Stays the same while a block of the same bytes means the same fields. */
  get version(): number {
    return this.#table.version;
  }

  /** Calls `take` for each field. @throws ConnectionError COMPRESSION_ERROR. */
  decode(bytes: Uint8Array, start: number, end: number, take: (field: Field) => void): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
    let begins = true;
    while (this.#at < end) {
      const byte = bytes[this.#at]!;
      if (byte >= 0x80) take(this.#field(this.#integer(7)));
      else if (byte >= 0x40) {
        const field = this.#literal(6);
        this.#table.add(field);
        take(field);
      } else if (byte < 0x20) take(this.#literal(4));
      else {
        if (!begins || !this.#table.resize(this.#integer(5))) throw broken('table size');
        continue;
      }
      begins = false;
    }
  }

  #field(index: number): Field {
    const field = index === 0 ? undefined : this.#table.get(index);
    if (field === undefined) throw broken('index');
    return field;
  }

  #literal(prefixBits: number): Field {
    const index = this.#integer(prefixBits);
    const name = index === 0 ? this.#string() : this.#field(index).name;
    return { name, value: this.#string() };
  }

  #integer(prefixBits: number): number {
    const most = (1 << prefixBits) - 1;
    let value = this.#bytes[this.#at++]! & most;
    if (value < most) return value;
    for (let shift = 0; shift <= 21; shift += 7) {
      if (this.#at >= this.#end) break;
      const byte = this.#bytes[this.#at++]!;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw broken('integer');
  }

  #string(): string {
    if (this.#at >= this.#end) throw broken('string');
    const isHuffman = this.#bytes[this.#at]! >= 0x80;
    const length = this.#integer(7);
    const start = this.#at;
    const end = start + length;
    if (end > this.#end) throw broken('string');
    this.#at = end;
    const text = isHuffman ? decodeHuffman(this.#bytes, start, end) : latin1(this.#bytes, start, end);
    if (text === undefined) throw broken('Huffman code');
    return text;
  }
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}

function broken(what: string): ConnectionError {
  return new ConnectionError(errorCode.compressionError, `A header block has a wrong ${what}.`);
}
