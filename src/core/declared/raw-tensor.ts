/**
 * Tensors from the raw files of a Triton model folder (initial states, warm-up data): little-endian elements in row-major order,
 * strings each behind a uint32 length. Called while a version loads, never per request.
 */
import { HotpathError } from '../errors.ts';
import { type Datatype, elementBytes, elementCount, formatShape, type Tensor, viewBytes } from '../tensor.ts';

/** @param what names the file in the message. @throws MODEL_FAILED when the bytes do not fill the shape exactly. */
export function rawTensor(datatype: Datatype, shape: readonly number[], bytes: Uint8Array, what: string): Tensor {
  const count = elementCount(shape);
  if (datatype === 'string') return { datatype, shape, data: readStrings(bytes, count, what) };
  const expected = count * elementBytes[datatype];
  if (bytes.byteLength !== expected) {
    const wanted = `${expected} bytes for ${datatype} ${formatShape(shape)}`;
    throw new HotpathError('MODEL_FAILED', `${what} has ${bytes.byteLength} bytes; expected ${wanted}.`);
  }
  return { datatype, shape, data: viewBytes(datatype, bytes.slice().buffer, 0, expected) };
}

function readStrings(bytes: Uint8Array, count: number, what: string): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder();
  const texts: string[] = [];
  let at = 0;
  while (at + 4 <= bytes.length) {
    const end = at + 4 + view.getUint32(at, true);
    if (end > bytes.length) break;
    texts.push(decoder.decode(bytes.subarray(at + 4, end)));
    at = end;
  }
  if (at === bytes.length && texts.length === count) return texts;
  throw new HotpathError('MODEL_FAILED', `${what} does not hold ${count} strings, each behind its length as uint32.`);
}
