/**
 * The InferTensorContents of an output, for upstreams that answer without raw contents (MLServer does). Packed or not. Slower than
 * raw contents and only met there. Field numbers: Open Inference Protocol, inference_grpc.md.
 */
import { allocate, type Datatype, elementCount, type Tensor } from '../../core/tensor.ts';
import { ProtoReader } from './proto-reader.ts';
import { brokenAnswer } from './upstream-failure.ts';

const contentsField = {
  bool: 1,
  int8: 2,
  int16: 2,
  int32: 2,
  int64: 3,
  uint8: 4,
  uint16: 4,
  uint32: 4,
  uint64: 5,
  float32: 6,
  float64: 7,
  string: 8,
  float16: undefined,
} as const satisfies Record<Datatype, number | undefined>;

/** @throws UpstreamFailure when the elements do not fit the shape, or lie in the field of another datatype. */
export function typedContents(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  contents: Buffer | undefined,
): Tensor {
  const count = elementCount(shape);
  if (count < 0) throw brokenAnswer(`output "${name}" has an impossible shape`);
  const reader = new ProtoReader(contents ?? Buffer.alloc(0));
  const elements: unknown[] = [];
  while (reader.next()) {
    if (reader.field === contentsField[datatype]) readElements(reader, datatype, elements);
    else reader.skip();
  }
  if (elements.length !== count) {
    throw brokenAnswer(`output "${name}" has ${elements.length} elements where its shape needs ${count}`);
  }
  const data = allocate(datatype, count);
  for (let index = 0; index < count; index++) (data as unknown[])[index] = elements[index];
  return { datatype, shape, data };
}

function readElements(reader: ProtoReader, datatype: Datatype, elements: unknown[]): void {
  if (datatype === 'string') elements.push(reader.text());
  else if (datatype === 'float32' || datatype === 'float64') {
    const size = datatype === 'float32' ? 4 : 8;
    const bytes = reader.fixed(size);
    for (let at = 0; at + size <= bytes.length; at += size) {
      elements.push(size === 4 ? bytes.readFloatLE(at) : bytes.readDoubleLE(at));
    }
  } else if (datatype === 'int64' || datatype === 'uint64') {
    for (const value of reader.bigints()) elements.push(datatype === 'int64' ? BigInt.asIntN(64, value) : value);
  } else {
    const numbers: number[] = [];
    reader.numbersInto(numbers);
    for (const number of numbers) elements.push(number);
  }
}
