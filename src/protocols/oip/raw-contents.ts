/**
 * Little-endian bytes of one input as tensor data: the binary extension of REST and gRPC's raw contents.
 */
import { invalidInput } from '../../core/errors.ts';
import { oipNames } from '../../core/oip-names.ts';
import { type Datatype, elementBytes, formatShape, type TensorData, type TypedArray } from '../../core/tensor.ts';
import { firstRefused, viewValues } from '../codecs/raw-values.ts';
import { readElements } from './bytes-elements.ts';
import { expectedAt } from './field-errors.ts';

/**
 * The `count` elements that `bytes` must hold. @throws INVALID_INPUT on another byte count, a BOOL other than 0 and 1, BYTES
 * cut off or no UTF-8, and NaN or infinity unless allowed.
 */
export function readRawContents(
  field: string,
  bytes: Uint8Array,
  datatype: Datatype,
  shape: readonly number[],
  count: number,
  allowNonFinite: boolean,
): TensorData {
  if (datatype === 'string') return readElements(field, bytes, count);
  const size = elementBytes[datatype];
  if (bytes.byteLength !== count * size) {
    const expected = `${count * size} bytes for ${oipNames[datatype]} of shape ${formatShape(shape)}`;
    throw expectedAt(field, expected, `${bytes.byteLength} bytes`);
  }
  const data = viewValues(datatype, bytes);
  refuseOddValues(field, datatype, data, allowNonFinite);
  return data;
}

/** @throws INVALID_INPUT naming the first BOOL other than 0 and 1, or the first NaN or infinity unless allowed. */
export function refuseOddValues(field: string, datatype: Datatype, data: TypedArray, allowNonFinite: boolean): void {
  const wrong = firstRefused(datatype, data, allowNonFinite);
  if (wrong < 0) return;
  const at = `${field}[${wrong}]`;
  if (datatype === 'bool') throw expectedAt(at, 'a BOOL byte of 0 or 1', String(data[wrong]));
  throw invalidInput(at, `${at}: this model takes no NaN or infinity`, 'a finite number', 'NaN or infinity');
}
