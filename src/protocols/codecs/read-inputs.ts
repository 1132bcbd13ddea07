/**
 * Named inputs of any signature: `{"age": [[29]], "image": {"shape": [1, 3], "data": [..]}}`. A tensor is nested lists, a
 * scalar, raw bytes (MessagePack bin), or an object with `shape`, `data` and an optional `datatype`.
 */
import { type HotpathError, invalidInput } from '../../core/errors.ts';
import { elementCount, fitsPattern, formatShape, type Tensor, type TensorSpec } from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import { pluralOf } from './leaf-errors.ts';
import { NestedTarget, shapeOf } from './nested-fill.ts';
import { readRawTensor } from './raw-tensor.ts';
import { checkNames, isObject, missingInput } from './read-row.ts';
import { describeValue, listNames, quote } from './value-text.ts';

const tensorFields: readonly string[] = ['shape', 'datatype', 'data'];

/** Tensors in signature order. @throws INVALID_INPUT naming the input. */
export function readInputs(value: unknown, model: ModelView, maxDims: number): Tensor[] {
  if (!isObject(value)) {
    const received = describeValue(value);
    throw invalidInput(
      'inputs',
      `inputs: expected an object of tensors by name, got ${received}`,
      'an object',
      received,
    );
  }
  checkNames('inputs', value, model);
  return model.signature.inputs.map((spec) => {
    const field = `inputs.${spec.name}`;
    if (!Object.hasOwn(value, spec.name)) throw missingInput(field, spec.name);
    return readTensor(field, value[spec.name], spec, model, maxDims);
  });
}

function readTensor(field: string, value: unknown, spec: TensorSpec, model: ModelView, maxDims: number): Tensor {
  if (value instanceof Uint8Array) return readRawTensor(field, value, undefined, spec, model);
  if (isObject(value)) return readExplicit(field, value, spec, model, maxDims);
  const sent = shapeOf(value);
  const shape = completeShape(sent, spec.shape);
  if (shape === undefined) throw wrongShape(field, spec, sent);
  return nested(field, value, sent, shape, spec, model);
}

/** As sent, with the leading 1 of a single row added, or all ones for a scalar; undefined when it does not fit. */
function completeShape(sent: readonly number[], pattern: readonly number[]): readonly number[] | undefined {
  if (fitsPattern(sent, pattern)) return sent;
  if (sent.length === 0 && pattern.every((dim) => dim === -1 || dim === 1)) return pattern.map(() => 1);
  const row = sent.length === pattern.length - 1 && (pattern[0] === -1 || pattern[0] === 1);
  return row && fitsPattern(sent, pattern.slice(1)) ? [1, ...sent] : undefined;
}

function readExplicit(
  field: string,
  value: Record<string, unknown>,
  spec: TensorSpec,
  model: ModelView,
  maxDims: number,
): Tensor {
  for (const name of Object.keys(value)) {
    if (tensorFields.includes(name)) continue;
    throw invalidInput(
      `${field}.${name.slice(0, 100)}`,
      `${field}: unknown field ${quote(name)}; a tensor has: ${listNames(tensorFields)}`,
    );
  }
  const { datatype, data } = value;
  if (datatype !== undefined && datatype !== spec.datatype) {
    const received = describeValue(datatype);
    throw invalidInput(
      `${field}.datatype`,
      `${field}.datatype: expected "${spec.datatype}", got ${received}`,
      spec.datatype,
      received,
    );
  }
  const shape = readShape(`${field}.shape`, value.shape, spec, maxDims);
  if (data instanceof Uint8Array) return readRawTensor(`${field}.data`, data, shape, spec, model);
  const sent = shapeOf(data);
  const count = elementCount(shape);
  const flat = sent.length <= 1 && (sent[0] ?? 1) === count;
  if (!flat && !fitsPattern(sent, shape)) throw wrongData(`${field}.data`, data, shape, count, spec);
  return nested(`${field}.data`, data, sent, shape, spec, model);
}

/** A list of dimensions that fits the signature. @throws INVALID_INPUT. */
export function readShape(field: string, value: unknown, spec: TensorSpec, maxDims: number): readonly number[] {
  if (!Array.isArray(value) || value.length > maxDims || elementCount(value) < 0) {
    const received = describeValue(value);
    const expected = `a list of at most ${maxDims} dimensions whose product is a safe integer`;
    throw invalidInput(field, `${field}: expected ${expected}, got ${received}`, expected, received);
  }
  if (fitsPattern(value, spec.shape)) return value;
  throw wrongShape(field, spec, value);
}

function nested(
  field: string,
  value: unknown,
  sent: readonly number[],
  shape: readonly number[],
  spec: TensorSpec,
  model: ModelView,
): Tensor {
  const data = new NestedTarget(field, '', spec.datatype, sent, model.nan === 'allow').read(value);
  return { datatype: spec.datatype, shape, data };
}

function wrongShape(field: string, spec: TensorSpec, sent: readonly number[]): HotpathError {
  const expected = formatShape(spec.shape);
  const received = formatShape(sent);
  return invalidInput(field, `${field}: expected shape ${expected}, got ${received}`, expected, received);
}

function wrongData(
  field: string,
  data: unknown,
  shape: readonly number[],
  count: number,
  spec: TensorSpec,
): HotpathError {
  const expected = `${count} ${pluralOf(spec.datatype)} for shape ${formatShape(shape)}`;
  const received = Array.isArray(data) ? formatShape(shapeOf(data)) : describeValue(data);
  return invalidInput(field, `${field}: expected ${expected}, got ${received}`, expected, received);
}
