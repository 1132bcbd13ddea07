/**
 * An input, output or inner value of a graph with its type, as a ValueInfoProto says it. Immutable; called through graph.ts.
 * Types that are no dense tensors are only named.
 */

import type { ElementType } from '../../onnx-file/element-type.ts';
import { writeValueInfo } from '../../onnx-file/encode.ts';
import {
  concatBytes,
  contentOf,
  lastField,
  numberOf,
  replaceFields,
  scanFields,
  textOf,
  writeFields,
} from '../../onnx-file/fields.ts';
import type { ValueInfo } from '../../onnx-file/model.ts';
import { elementTypeNames, fields } from '../../onnx-file/schema.ts';

export type ValueKind = 'tensor' | 'sequence' | 'map' | 'optional' | 'sparse' | 'unknown';

export interface ValueType {
  readonly kind: ValueKind;
  /** Of tensors; undefined where the model does not say. */
  readonly datatype: ElementType | undefined;
  /** A name is symbolic, '' a size that nothing is known of; undefined: not even the rank is known. */
  readonly dims: readonly (number | string)[] | undefined;
}

const kinds: Readonly<Record<number, ValueKind>> = { 4: 'sequence', 5: 'map', 8: 'sparse', 9: 'optional' };
const untyped: ValueType = { kind: 'unknown', datatype: undefined, dims: undefined };

export class ValueEntry {
  readonly name: string;
  /** The ValueInfoProto without its tag. */
  readonly message: Uint8Array;
  #type: ValueType | undefined;

  constructor(message: Uint8Array) {
    const name = lastField(scanFields(message), fields.valueInfo.name);
    this.name = name === undefined ? '' : textOf(name);
    this.message = message;
  }

  get type(): ValueType {
    this.#type ??= readType(this.message);
    return this.#type;
  }

  /** The same type under another name. */
  renamed(name: string): ValueEntry {
    const list = replaceFields(
      scanFields(this.message),
      fields.valueInfo.name,
      writeFields((writer) => writer.string(fields.valueInfo.name, name)),
    );
    return new ValueEntry(concatBytes(list.map((field) => field.bytes)));
  }
}

/** A value that is only named. */
export function untypedEntry(name: string): ValueEntry {
  return new ValueEntry(
    concatBytes(writeFields((writer) => writer.string(fields.valueInfo.name, name)).map((field) => field.bytes)),
  );
}

export function newValueEntry(info: ValueInfo): ValueEntry {
  const [field] = writeFields((writer) => writer.message(fields.graph.input, (child) => writeValueInfo(child, info)));
  return new ValueEntry(field!.payload);
}

function readType(message: Uint8Array): ValueType {
  const typeField = lastField(scanFields(message), fields.valueInfo.type);
  if (typeField === undefined) return untyped;
  for (const field of scanFields(contentOf(typeField))) {
    if (field.number === fields.type.tensor) return readTensorType(contentOf(field));
    const kind = kinds[field.number];
    if (kind !== undefined) return { kind, datatype: undefined, dims: undefined };
  }
  return untyped;
}

function readTensorType(message: Uint8Array): ValueType {
  const found = scanFields(message);
  const elemType = lastField(found, fields.tensorType.elemType);
  const shape = lastField(found, fields.tensorType.shape);
  return {
    kind: 'tensor',
    datatype: elemType === undefined ? undefined : elementTypeNames.get(numberOf(elemType)),
    dims: shape === undefined ? undefined : readDims(contentOf(shape)),
  };
}

function readDims(shape: Uint8Array): (number | string)[] {
  return scanFields(shape)
    .filter(({ number }) => number === fields.shape.dim)
    .map((dim) => {
      const found = scanFields(contentOf(dim));
      const value = lastField(found, fields.dim.value);
      const param = lastField(found, fields.dim.param);
      if (value !== undefined) return numberOf(value);
      return param === undefined ? '' : textOf(param);
    });
}
