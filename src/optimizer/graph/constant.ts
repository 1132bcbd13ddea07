/**
 * One constant tensor of a graph: an initializer, or the value of a Constant node, whatever its storage. Immutable; its bytes
 * are views of the model or are read when asked for, so do not keep what `raw()` and `floats()` give longer than needed.
 * Called by passes through the graph. Never changes the bytes it was read from.
 */
import { invalidInput } from '../../core/errors.ts';
import { elementCount } from '../../core/tensor.ts';
import type { ElementType } from '../../onnx-file/element-type.ts';
import { rawBytes } from '../../onnx-file/element-type.ts';
import type { Field } from '../../onnx-file/fields.ts';
import { concatBytes, replaceFields, scanFields, writeFields, writeHeader } from '../../onnx-file/fields.ts';
import type { TensorLiteral } from '../../onnx-file/model.ts';
import { elementTypes, fields } from '../../onnx-file/schema.ts';
import type { ConstantData } from './constant-values.ts';
import { toFloats, toIntegers, toTyped } from './constant-values.ts';
import type { ExternalRange } from './external-files.ts';

const keys = fields.tensor;
/** Fields of a TensorProto that hold its elements or say where they are. */
export const dataFields: ReadonlySet<number> = new Set([
  keys.floatData,
  keys.int32Data,
  keys.stringData,
  keys.int64Data,
  keys.rawData,
  keys.doubleData,
  keys.uint64Data,
  keys.externalData,
  keys.dataLocation,
  keys.segment,
]);

export type Storage = 'raw' | 'typed' | 'strings' | 'external' | 'lazy';

/** A constant whose bytes are made when the model is written, so that big ones need not all be in memory at once. */
export interface LazyLiteral extends Omit<TensorLiteral, 'raw'> {
  /** As many bytes as datatype and dims say, every time the same. */
  readonly read: () => Uint8Array;
}

export interface StringLiteral {
  readonly name: string;
  readonly datatype: 'string';
  readonly dims: readonly number[];
  readonly strings: readonly string[];
}

/** `raw` of a TensorLiteral is kept by reference: do not change it afterwards. */
export type NewConstant = TensorLiteral | LazyLiteral | StringLiteral | Constant;

export interface ConstantParts {
  readonly name: string;
  readonly datatype: ElementType;
  readonly dims: readonly number[];
  readonly storage: Storage;
  readonly read: () => Uint8Array;
  /** Part of the bytes, where reading all would take much memory. */
  readonly readPart?: (offsetBytes: number, lengthBytes: number) => Uint8Array;
  readonly strings?: () => readonly string[];
  readonly external?: ExternalRange;
  /** The TensorProto as it stands in the file, without its tag. */
  readonly message?: Uint8Array;
}

/** Bytes, or a function that makes them when their turn comes, with their number. */
export type ConstantChunk = Uint8Array | { readonly byteLength: number; readonly read: () => Uint8Array };

export class Constant {
  readonly name: string;
  readonly datatype: ElementType;
  /** Row-major; `[]` is a scalar. */
  readonly dims: readonly number[];
  readonly storage: Storage;
  readonly elementCount: number;
  /** Size as raw data; for strings the sum of their UTF-8 bytes. */
  readonly byteLength: number;
  /** Where the bytes lie, for storage `external`. */
  readonly external: ExternalRange | undefined;
  readonly #parts: ConstantParts;

  constructor(parts: ConstantParts) {
    this.name = parts.name;
    this.datatype = parts.datatype;
    this.dims = parts.dims;
    this.storage = parts.storage;
    this.elementCount = elementCount(parts.dims);
    this.external = parts.external;
    this.byteLength =
      parts.strings === undefined
        ? rawBytes(parts.datatype, this.elementCount)
        : parts.strings().reduce((sum, text) => sum + Buffer.byteLength(text), 0);
    this.#parts = parts;
  }

  /** Little-endian elements, a view where the model stores them so; 4-bit types stay packed. @throws INVALID_INPUT for strings */
  raw(): Uint8Array {
    if (this.datatype === 'string') throw invalidInput(this.name, `Tensor "${this.name}" holds strings.`);
    const bytes = this.#parts.read();
    if (bytes.length !== this.byteLength) throw wrongSize(this.name, this.byteLength, bytes.length);
    return bytes;
  }

  /** As `raw()`, in pieces of at most so many bytes: constants in other files are read one piece at a time. */
  *pieces(mostBytes: number): Iterable<Uint8Array> {
    const { readPart } = this.#parts;
    const whole = readPart === undefined ? this.raw() : undefined;
    for (let offset = 0; offset < this.byteLength; offset += mostBytes) {
      const length = Math.min(mostBytes, this.byteLength - offset);
      yield whole?.subarray(offset, offset + length) ?? readPart!(offset, length);
    }
  }

  /** As the typed array of the datatype: patterns for 16 and 8-bit floats, 4-bit integers one per element. May be a view: read only. */
  data(): ConstantData {
    if (this.datatype === 'string') return [...this.strings()];
    return toTyped(this.datatype, this.raw(), this.elementCount);
  }

  /** Any number type as float32 (float64 and 64-bit integers rounded). May be a view: read only. */
  floats(): Float32Array {
    return toFloats(this.name, this.datatype, this.raw(), this.elementCount);
  }

  /** Integers and booleans as numbers. @throws INVALID_INPUT for other types, and beyond 2^53 */
  integers(): number[] {
    return toIntegers(this.name, this.datatype, this.raw(), this.elementCount);
  }

  strings(): readonly string[] {
    if (this.#parts.strings === undefined) throw invalidInput(this.name, `Tensor "${this.name}" holds no strings.`);
    return this.#parts.strings();
  }

  /** The same tensor under another name; the bytes stay where they are. */
  renamed(name: string): Constant {
    const { message, ...rest } = this.#parts;
    return new Constant({ ...rest, name, ...(message === undefined ? {} : { message: renameMessage(message, name) }) });
  }

  /** The TensorProto's fields apart from its data; unknown ones are kept. */
  head(): Uint8Array {
    const { message } = this.#parts;
    if (message === undefined) {
      return joinFields(
        writeFields((writer) => {
          writer.packedInts(keys.dims, this.dims);
          writer.int(keys.dataType, elementTypes[this.datatype]);
          writer.string(keys.name, this.name);
        }),
      );
    }
    return joinFields(scanFields(message).filter((field) => !dataFields.has(field.number)));
  }

  /** Its original message, unless it was made here. */
  get message(): Uint8Array | undefined {
    return this.#parts.message;
  }

  /** The whole TensorProto without its tag, as chunks; a lazy one's data is made when its turn comes. */
  chunks(): ConstantChunk[] {
    const { message, strings } = this.#parts;
    if (message !== undefined) return [message];
    const head = this.head();
    if (strings !== undefined) {
      return [
        head,
        joinFields(
          writeFields((w) => {
            for (const text of strings()) w.string(keys.stringData, text);
          }),
        ),
      ];
    }
    return this.inlined();
  }

  /** As `chunks()`, with the data as raw data in the message, wherever it was. */
  inlined(): ConstantChunk[] {
    const body =
      this.storage === 'raw' || this.storage === 'typed'
        ? this.raw()
        : { byteLength: this.byteLength, read: () => this.raw() };
    return [this.head(), writeHeader(keys.rawData, this.byteLength), body];
  }
}

function joinFields(list: readonly Field[]): Uint8Array {
  return concatBytes(list.map((field) => field.bytes));
}

function renameMessage(message: Uint8Array, name: string): Uint8Array {
  return joinFields(
    replaceFields(
      scanFields(message),
      keys.name,
      writeFields((writer) => writer.string(keys.name, name)),
    ),
  );
}

export function wrongSize(name: string, expected: number, found: number): Error {
  return invalidInput(name, `Tensor "${name}" does not fit its data.`, `${expected} bytes`, `${found} bytes`);
}

/** @throws INVALID_INPUT when data and dims do not fit each other. */
export function constantFrom(literal: NewConstant): Constant {
  if (literal instanceof Constant) return literal;
  const { name, datatype, dims } = literal;
  const count = elementCount(dims);
  if (count < 0) throw invalidInput(name, `Tensor "${name}" has impossible dimensions.`);
  if ('strings' in literal) {
    if (literal.strings.length !== count) throw wrongSize(name, count, literal.strings.length);
    return new Constant({ name, datatype, dims, storage: 'strings', read: none, strings: () => literal.strings });
  }
  if ('read' in literal) return new Constant({ name, datatype, dims, storage: 'lazy', read: literal.read });
  const { raw } = literal;
  if (raw.length !== rawBytes(datatype, count)) throw wrongSize(name, rawBytes(datatype, count), raw.length);
  // Of a Buffer a plain view: views of views stay cheap.
  const view = new Uint8Array(raw.buffer, raw.byteOffset, raw.length);
  return new Constant({ name, datatype, dims, storage: 'raw', read: () => view });
}

export const none = (): Uint8Array => new Uint8Array();
