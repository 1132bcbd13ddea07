/**
 * MessagePack bytes as plain values, written for hostile input: nesting, lengths, duplicate keys and the number of values
 * are checked before anything is allocated for them. Extension types are refused; `bin` comes out as a view, not a copy.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import { maxJsonNames } from './json-scan.ts';
import { quote } from './value-text.ts';

/** Values outside `bin` one body may hold, read at once. Tensors belong into `bin`. */
export const maxMsgpackValues = 1_000_000;
/** A list, map, string or bin counts as this many values, because it takes as long: 100 to 300 ns against 30 ns; a 64-bit integer as two. */
const partValues = 5;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The one value that fills `bytes`. 64-bit integers beyond 2^53 - 1 are bigints. @throws INVALID_INPUT with the byte position. */
export function readMsgpack(bytes: Uint8Array, maxDepth: number): unknown {
  const reader = new Reader(bytes, maxDepth);
  const value = reader.value(0);
  if (reader.position !== bytes.length) throw reader.broken('bytes after the end of the value');
  return value;
}

class Reader {
  position = 0;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #maxDepth: number;
  #values = 0;

  constructor(bytes: Uint8Array, maxDepth: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#maxDepth = maxDepth;
  }

  broken(what: string): HotpathError {
    return invalidInput('body', `The MessagePack body is malformed: ${what} at byte ${this.position}.`);
  }

  value(depth: number): unknown {
    const type = this.#unsigned(1);
    if (type < 0x80) return type;
    if (type < 0x90) return this.#map(type & 0x0f, depth);
    if (type < 0xa0) return this.#array(type & 0x0f, depth);
    if (type < 0xc0) return this.#text(type & 0x1f);
    if (type >= 0xe0) return type - 0x100;
    return this.#long(type, depth);
  }

  #long(type: number, depth: number): unknown {
    switch (type) {
      case 0xc0:
        return null;
      case 0xc2:
      case 0xc3:
        return type === 0xc3;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#unsigned(1 << (type - 0xc4)));
      case 0xca:
        return this.#view.getFloat32(this.#advance(4));
      case 0xcb:
        return this.#view.getFloat64(this.#advance(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#unsigned(1 << (type - 0xcc));
      case 0xcf:
        return this.#narrow(this.#view.getBigUint64(this.#advance(8)));
      case 0xd0:
        return this.#view.getInt8(this.#advance(1));
      case 0xd1:
        return this.#view.getInt16(this.#advance(2));
      case 0xd2:
        return this.#view.getInt32(this.#advance(4));
      case 0xd3:
        return this.#narrow(this.#view.getBigInt64(this.#advance(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#unsigned(1 << (type - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#array(this.#unsigned(type === 0xdc ? 2 : 4), depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#unsigned(type === 0xde ? 2 : 4), depth);
      default:
        throw this.broken('an extension or unknown type');
    }
  }

  #array(length: number, depth: number): unknown[] {
    this.#enter(length, depth);
    const values: unknown[] = [];
    for (let i = 0; i < length; i++) values.push(this.value(depth + 1));
    return values;
  }

  #map(length: number, depth: number): Record<string, unknown> {
    if (length > maxJsonNames) throw tooMany(`${maxJsonNames} names in one object`);
    this.#enter(2 * length, depth);
    const map: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== 'string') throw this.broken('a key that is no string');
      if (Object.hasOwn(map, key)) throw invalidInput(key.slice(0, 100), `The name ${quote(key)} is given twice.`);
      // A plain assignment of __proto__ would change the prototype instead of adding a key.
      if (key === '__proto__') throw invalidInput('__proto__', 'The name "__proto__" is not allowed.');
      map[key] = this.value(depth + 1);
    }
    return map;
  }

  /** Every value takes at least one byte, so a length beyond the rest of the body is a lie. */
  #enter(length: number, depth: number): void {
    if (depth >= this.#maxDepth) {
      throw invalidInput(
        'body',
        `The body is nested deeper than ${this.#maxDepth} levels.`,
        `at most ${this.#maxDepth} levels`,
      );
    }
    if (length > this.#bytes.length - this.position) throw this.broken('a length beyond the end of the body');
    this.#count(length + partValues - 1);
  }

  #count(values: number): void {
    this.#values += values;
    if (this.#values > maxMsgpackValues) {
      throw tooMany(
        `${maxMsgpackValues} values (a list, map, string or bin counts as ${partValues}); send tensors as bin`,
      );
    }
  }

  #narrow(value: bigint): number | bigint {
    this.#count(1);
    return value <= 9007199254740991n && value >= -9007199254740991n ? Number(value) : value;
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    if (length < 12) {
      const ascii = asciiText(bytes);
      if (ascii !== undefined) return ascii;
    }
    try {
      return utf8.decode(bytes);
    } catch {
      throw this.broken('text that is no UTF-8');
    }
  }

  #take(length: number): Uint8Array {
    this.#count(partValues - 1);
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  #unsigned(size: number): number {
    const at = this.#advance(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #advance(length: number): number {
    const start = this.position;
    if (length > this.#bytes.length - start) throw this.broken('the end of the body inside a value');
    this.position = start + length;
    return start;
  }
}

function tooMany(what: string): HotpathError {
  return new HotpathError('PAYLOAD_TOO_LARGE', `The body holds more than ${what}.`);
}

/** Short keys are ASCII; TextDecoder costs ten times as much for them. */
function asciiText(bytes: Uint8Array): string | undefined {
  let text = '';
  for (let i = 0; i < bytes.length; i++) {
    const code = bytes[i]!;
    if (code >= 0x80) return undefined;
    text += String.fromCharCode(code);
  }
  return text;
}
