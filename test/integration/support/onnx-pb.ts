/** Reads the `.pb` tensors of ONNX's operator tests. Undefined for what is no tensor of ours (sequences, bfloat16, 4-bit ..). */
import type { Datatype, Tensor, TypedArray } from '../../../src/core/tensor.ts';
import { allocate, elementCount, viewBytes } from '../../../src/core/tensor.ts';
import { dataTypes } from '../../../src/onnx-file/schema.ts';
import { readMessage } from '../../../src/onnx-file/wire-reader.ts';

const datatypeOf = new Map<number, Datatype>(
  Object.entries(dataTypes).map(([name, number]) => [number, name as Datatype]),
);
const field = { dims: 1, dataType: 2, floats: 4, int32s: 5, strings: 6, int64s: 7, raw: 9, doubles: 10, uint64s: 11 };

export function readTensorProto(bytes: Uint8Array): Tensor | undefined {
  const dims: (number | bigint)[] = [];
  const floats: number[] = [];
  const ints: (number | bigint)[] = [];
  const strings: string[] = [];
  let raw: Uint8Array | undefined;
  let doubles: Uint8Array | undefined;
  let number = 0;
  readMessage(bytes, (key, reader) => {
    if (key === field.dims) reader.intsInto(dims);
    else if (key === field.dataType) number = reader.number();
    else if (key === field.floats) reader.floatsInto(floats);
    else if (key === field.int32s || key === field.int64s || key === field.uint64s) reader.intsInto(ints);
    else if (key === field.strings) strings.push(reader.string());
    else if (key === field.raw) raw = reader.bytes();
    else if (key === field.doubles) doubles = reader.bytes();
  });
  const datatype = datatypeOf.get(number);
  if (datatype === undefined) return undefined;
  const shape = dims.map(Number);
  if (datatype === 'string') return { datatype, shape, data: strings };
  const packed = raw ?? doubles;
  if (packed !== undefined) {
    // A plain copy: slice() of a Buffer would be a view of the whole file.
    const copy = new Uint8Array(packed);
    return { datatype, shape, data: viewBytes(datatype, copy.buffer, 0, copy.byteLength) };
  }
  const data = allocate(datatype, elementCount(shape)) as TypedArray;
  for (const [index, value] of (floats.length > 0 ? floats : ints).entries()) {
    data[index] = (
      data instanceof BigInt64Array || data instanceof BigUint64Array ? BigInt(value) : Number(value)
    ) as never;
  }
  return { datatype, shape, data };
}
