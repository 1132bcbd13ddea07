/**
 * Raw little-endian bytes as one tensor: octet-stream bodies and MessagePack `bin`. Nothing is copied
 * when the bytes are aligned: rows are copied from the body into the batch.
 */
import { type HotpathError, invalidInput } from '../../core/errors.ts';
import {
  type Datatype,
  elementBytes,
  elementCount,
  fitsPattern,
  formatShape,
  type Tensor,
  type TensorSpec,
} from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import { firstRefused, viewValues } from './raw-values.ts';
import { planRow, solveShape } from './row-plan.ts';

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
  const data = viewValues(datatype, bytes);
  const wrong = firstRefused(datatype, data, model.nan === 'allow');
  if (wrong >= 0) throw refused(`${field}[${wrong}]`, datatype);
  return { datatype, shape: resolved, data };
}

function deriveShape(count: number, spec: TensorSpec, model: ModelView): readonly number[] | undefined {
  const plan = planRow(spec, model.batchable);
  if (!plan.leads) return solveShape(plan.rowShape, count);
  if (plan.rowCount > 0) {
    if (count === plan.rowCount) return plan.oneRow;
    const rows = count / plan.rowCount;
    const shape = [rows, ...plan.rowShape];
    return Number.isInteger(rows) && rows > 0 && fitsPattern(shape, spec.shape) ? shape : undefined;
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
