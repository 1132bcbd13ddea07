/**
 * Tensors as the bytes the protocol sends and back: little-endian, BOOL one byte, BYTES a uint32 length before each element.
 * Numbers are views and never copied, except where an answer's bytes lie unaligned.
 */
import { isUtf8 } from 'node:buffer';
import { allocate, elementBytes, elementCount, type Tensor, type TensorData, viewBytes } from '../../core/tensor.ts';
import { brokenAnswer } from './upstream-failure.ts';

/** Smaller arrays live on V8's heap and are cheaper to make; larger ones need not be zeroed, for they are filled or thrown away. */
const minRawBytes = 4096;

/** Memory of its own for bytes that are still to come; the caller hands nothing out before all of them came. */
export function unfilled(length: number): Uint8Array<ArrayBuffer> {
  return length < minRawBytes ? new Uint8Array(length) : Buffer.allocUnsafeSlow(length);
}

/** A view of the tensor's memory, or the encoded strings. */
export function bytesOf({ data }: Tensor): Uint8Array {
  if (Array.isArray(data)) return encodeStrings(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** @throws UpstreamFailure when the bytes do not fit datatype and shape. */
export function tensorFromBytes(
  name: string,
  datatype: Tensor['datatype'],
  shape: readonly number[],
  bytes: Uint8Array<ArrayBuffer>,
): Tensor {
  const count = elementCount(shape);
  if (count < 0) throw brokenAnswer(`output "${name}" has an impossible shape`);
  if (datatype === 'string') return { datatype, shape, data: decodeStrings(name, bytes, count) };
  if (bytes.byteLength !== count * elementBytes[datatype]) {
    const expected = count * elementBytes[datatype];
    throw brokenAnswer(`output "${name}" has ${bytes.byteLength} bytes where its shape needs ${expected}`);
  }
  if (count === 0) return { datatype, shape, data: allocate(datatype, 0) };
  return { datatype, shape, data: viewBytes(datatype, bytes.buffer, bytes.byteOffset, bytes.byteLength) };
}

function encodeStrings(texts: readonly string[]): Uint8Array {
  let size = 0;
  for (const text of texts) size += 4 + Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafe(size);
  let offset = 0;
  for (const text of texts) {
    const length = bytes.write(text, offset + 4);
    bytes.writeUInt32LE(length, offset);
    offset += 4 + length;
  }
  return bytes;
}

function decodeStrings(name: string, bytes: Uint8Array<ArrayBuffer>, count: number): TensorData {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (count * 4 > buffer.length) throw brokenAnswer(`output "${name}" is cut off`);
  const texts = new Array<string>(count);
  let offset = 0;
  for (let index = 0; index < count; index++) {
    const start = offset + 4;
    const end = start <= buffer.length ? start + buffer.readUInt32LE(offset) : Number.POSITIVE_INFINITY;
    if (end > buffer.length) throw brokenAnswer(`output "${name}" is cut off`);
    const element = buffer.subarray(start, end);
    if (!isUtf8(element)) throw brokenAnswer(`output "${name}" holds bytes that are no text`);
    texts[index] = element.toString('utf8');
    offset = end;
  }
  if (offset !== buffer.length) throw brokenAnswer(`output "${name}" has bytes left over`);
  return texts;
}
