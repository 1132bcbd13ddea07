/**
 * Raw little-endian bytes as one tensor: octet-stream bodies and MessagePack `bin`. Nothing is copied when the bytes fill
 * their buffer, so a body collected into a buffer of its own becomes the tensor that the engine receives.
 */
import { type HotpathError, invalidInput } from '../../core/errors.ts';
import {
  type Datatype,
  elementBytes,
  elementCount,
  formatShape,
  type Tensor,
  type TensorSpec,
  viewBytes,
} from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import { fitsShape, planRow, solveShape } from './row-plan.ts';

/**
 * The tensor that `bytes` hold. `shape` undefined: derived from the byte count, where several rows are taken if the model
 * has rows.
 * @throws INVALID_INPUT on a wrong byte count, NaN where the model refuses it, or bools other than 0 and 1.
 */
export function readRawTensor(
  field: string,
  bytes: Uint8Array,
  shape: readonly number[] | undefined,
  spec: TensorSpec,
  model: ModelView,
): Tensor {
  const { datatype } = spec;
  if (datatype === 'string') {
    throw invalidInput(
      field,
      `${field}: string tensors have no raw form; send JSON or a MessagePack list`,
      'a list of strings',
    );
  }
  const size = elementBytes[datatype];
  const count = bytes.byteLength / size;
  const resolved = shape ?? (Number.isInteger(count) ? deriveShape(count, spec, model) : undefined);
  if (resolved === undefined || elementCount(resolved) !== count)
    throw wrongLength(field, bytes.byteLength, resolved, spec);
  const data = viewBytes(datatype, ownBuffer(bytes), 0, bytes.byteLength);
  const wrong = firstRefused(datatype, data, model.nan === 'allow');
  if (wrong >= 0) throw refused(`${field}[${wrong}]`, datatype);
  return { datatype, shape: resolved, data };
}

/** The engine takes a tensor's whole buffer away, so bytes that share one with their neighbours are copied out. */
function ownBuffer(bytes: Uint8Array): ArrayBuffer {
  const { buffer, byteOffset, byteLength } = bytes as Uint8Array<ArrayBuffer>;
  return byteLength === buffer.byteLength ? buffer : buffer.slice(byteOffset, byteOffset + byteLength);
}

function deriveShape(count: number, spec: TensorSpec, model: ModelView): readonly number[] | undefined {
  const plan = planRow(spec, model.batchable);
  if (!plan.leads) return solveShape(plan.rowShape, count);
  if (plan.rowCount > 0) {
    if (count === plan.rowCount) return plan.oneRow;
    const rows = count / plan.rowCount;
    const shape = [rows, ...plan.rowShape];
    return Number.isInteger(rows) && rows > 0 && fitsShape(shape, spec.shape) ? shape : undefined;
  }
  const row = solveShape(plan.rowShape, count);
  return row === undefined ? undefined : [1, ...row];
}

function wrongLength(
  field: string,
  byteLength: number,
  shape: readonly number[] | undefined,
  spec: TensorSpec,
): HotpathError {
  const size = elementBytes[spec.datatype];
  const expected =
    shape === undefined
      ? `${spec.datatype} values of shape ${formatShape(spec.shape)}, ${size} bytes each`
      : `${elementCount(shape) * size} bytes for ${spec.datatype} of shape ${formatShape(shape)}`;
  const hint = shape === undefined ? '; give the shape if several dimensions are variable' : '';
  return invalidInput(
    field,
    `${field}: expected ${expected}, got ${byteLength} bytes${hint}`,
    expected,
    `${byteLength} bytes`,
  );
}

function refused(field: string, datatype: Datatype): HotpathError {
  return datatype === 'bool'
    ? invalidInput(field, `${field}: expected bool bytes of 0 or 1`, '0 or 1')
    : invalidInput(field, `${field}: this model takes no NaN or infinity`, 'a finite number', 'NaN or infinity');
}

/** Index of the first element that may not be, or -1. Looks at exponent bits: no conversion, about 1 ns per element. */
function firstRefused(datatype: Datatype, data: ArrayBufferView<ArrayBuffer>, allowNonFinite: boolean): number {
  if (datatype === 'bool') return firstAbove(data as Uint8Array, 1);
  if (allowNonFinite) return -1;
  const { buffer, byteOffset, byteLength } = data;
  if (datatype === 'float32') return firstMasked(new Uint32Array(buffer, byteOffset, byteLength / 4), 0x7f800000);
  if (datatype === 'float16') return firstMasked(new Uint16Array(buffer, byteOffset, byteLength / 2), 0x7c00);
  if (datatype === 'float64') return firstMaskedHigh(new Uint32Array(buffer, byteOffset, byteLength / 4));
  return -1;
}

function firstMasked(bits: Uint32Array | Uint16Array, mask: number): number {
  for (let i = 0; i < bits.length; i++) if ((bits[i]! & mask) === mask) return i;
  return -1;
}

/** Little-endian doubles: every second word holds the exponent. */
function firstMaskedHigh(words: Uint32Array): number {
  for (let i = 1; i < words.length; i += 2) if ((words[i]! & 0x7ff00000) === 0x7ff00000) return (i - 1) / 2;
  return -1;
}

function firstAbove(bytes: Uint8Array, limit: number): number {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! > limit) return i;
  return -1;
}
