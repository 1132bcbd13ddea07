/**
 * An ONNX model as plain data, and the builders that make it. Called by whatever generates models (training, benchmarks,
 * tests); encode.ts turns the result into file bytes. Nothing here checks operators: the runtime does that at load.
 */
import { invalidInput } from '../core/errors.ts';
import type { TypedArray } from '../core/tensor.ts';
import { elementCount } from '../core/tensor.ts';
import type { ElementType } from './element-type.ts';
import { elementBits, rawBytes } from './element-type.ts';

export interface OnnxModel {
  readonly irVersion: number;
  readonly producer: string;
  readonly opsets: readonly Opset[];
  readonly graph: Graph;
}

/** `domain` is '' for the standard operators, `ai.onnx.ml` for the classic ones. */
export interface Opset {
  readonly domain: string;
  readonly version: number;
}

export interface Graph {
  readonly name: string;
  readonly nodes: readonly Node[];
  readonly initializers: readonly TensorLiteral[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
}

export interface Node {
  readonly name: string;
  readonly opType: string;
  readonly domain: string;
  /** Value names; '' leaves out an optional input. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** ONNX tells `1` (int) from `1.0` (float), so an attribute carries its type. */
export type Attribute =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: number | bigint }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'floats'; readonly value: ArrayLike<number> }
  | { readonly type: 'ints'; readonly value: ArrayLike<number | bigint> }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  | { readonly type: 'tensor'; readonly value: TensorLiteral };

/** A constant tensor; `raw` holds its elements little-endian and row-major. */
export interface TensorLiteral {
  readonly name: string;
  readonly datatype: Exclude<ElementType, 'string'>;
  readonly dims: readonly number[];
  readonly raw: Uint8Array;
}

/** A string dimension is symbolic: `['batch', 4]` takes any number of rows. */
export interface ValueInfo {
  readonly name: string;
  readonly datatype: ElementType;
  readonly dims: readonly (number | string)[];
}

export interface ModelParts {
  readonly graph: Graph;
  readonly opsets: readonly Opset[];
  /** @default 8, which goes with opset 17 and below */
  readonly irVersion?: number;
  /** @default 'hotpath' */
  readonly producer?: string;
}

export function makeModel({ graph, opsets, irVersion = 8, producer = 'hotpath' }: ModelParts): OnnxModel {
  return { irVersion, producer, opsets, graph };
}

export function makeNode(
  opType: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
  { name = outputs[0] ?? '', domain = '' }: { readonly name?: string; readonly domain?: string } = {},
): Node {
  return { name, opType, domain, inputs, outputs, attributes };
}

/**
 * A constant from a typed array, by reference. Assumes a little-endian machine, as every platform of ONNX Runtime is.
 * @throws INVALID_INPUT when `data` has not as many elements as `dims` say, or elements of another size.
 */
export function makeTensor(
  name: string,
  datatype: Exclude<ElementType, 'string'>,
  dims: readonly number[],
  data: TypedArray,
): TensorLiteral {
  const count = elementCount(dims);
  // Packed 4-bit data comes as bytes; 16 and 8-bit floats as their patterns.
  const unit = Math.max(1, elementBits[datatype] / 8);
  if (count < 0 || rawBytes(datatype, count) !== data.byteLength || data.BYTES_PER_ELEMENT !== unit) {
    throw invalidInput(
      name,
      `Tensor ${name} does not fit its data.`,
      `${count} elements of ${datatype}`,
      `${data.length} elements of ${data.BYTES_PER_ELEMENT} bytes`,
    );
  }
  return { name, datatype, dims, raw: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
}

export function makeValueInfo(name: string, datatype: ElementType, dims: readonly (number | string)[]): ValueInfo {
  return { name, datatype, dims };
}

export const float = (value: number): Attribute => ({ type: 'float', value });
export const int = (value: number | bigint): Attribute => ({ type: 'int', value });
export const string = (value: string): Attribute => ({ type: 'string', value });
export const floats = (value: ArrayLike<number>): Attribute => ({ type: 'floats', value });
export const ints = (value: ArrayLike<number | bigint>): Attribute => ({ type: 'ints', value });
export const strings = (value: readonly string[]): Attribute => ({ type: 'strings', value });
export const tensor = (value: TensorLiteral): Attribute => ({ type: 'tensor', value });
