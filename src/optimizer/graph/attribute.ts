/**
 * The values of an AttributeProto, read when asked for: lists may have a million numbers, written packed or one by one.
 * Called by node.ts. Pure.
 */
import { scanFields, textOf, walkFields } from '../../onnx-file/fields.ts';
import { fields } from '../../onnx-file/schema.ts';
import { WireReader } from '../../onnx-file/wire-reader.ts';

const typeNames = {
  1: 'float',
  2: 'int',
  3: 'string',
  4: 'tensor',
  5: 'graph',
  6: 'floats',
  7: 'ints',
  8: 'strings',
  9: 'tensors',
  10: 'graphs',
  11: 'sparseTensor',
  12: 'sparseTensors',
  13: 'type',
  14: 'types',
} as const;

export type AttributeType = (typeof typeNames)[keyof typeof typeNames];

/** Files of the first IR versions do not state it: then the field that is there tells. */
const typeByField: Readonly<Record<number, AttributeType>> = {
  2: 'float',
  3: 'int',
  4: 'string',
  5: 'tensor',
  6: 'graph',
  7: 'floats',
  8: 'ints',
  9: 'strings',
  10: 'tensors',
  11: 'graphs',
  14: 'type',
  15: 'types',
  22: 'sparseTensor',
  23: 'sparseTensors',
};

export function typeOfAttribute(message: Uint8Array): AttributeType | undefined {
  let stated: AttributeType | undefined;
  let seen: AttributeType | undefined;
  walkFields(message, (number, wireType, _, payloadStart) => {
    if (number === fields.attribute.type && wireType === 0) {
      stated = typeNames[message[payloadStart] as keyof typeof typeNames];
    } else seen ??= typeByField[number];
  });
  return stated ?? seen;
}

function readers(message: Uint8Array, key: number, read: (reader: WireReader) => void): void {
  const reader = new WireReader(message);
  while (reader.next()) {
    if (reader.field === key) read(reader);
    reader.skipUnread();
  }
}

/** As numbers: 64-bit limits, as Slice uses for "to the end", lose their last bits. */
export function readIntegers(message: Uint8Array, key: number): number[] {
  const values: (number | bigint)[] = [];
  readers(message, key, (reader) => reader.intsInto(values));
  return values.map(Number);
}

export function readFloats(message: Uint8Array, key: number): number[] {
  const values: number[] = [];
  readers(message, key, (reader) => reader.floatsInto(values));
  return values;
}

/** @throws INVALID_INPUT for bytes that are no text, which ONNX allows here. */
export function readTexts(message: Uint8Array, key: number): string[] {
  return scanFields(message)
    .filter(({ number }) => number === key)
    .map(textOf);
}
