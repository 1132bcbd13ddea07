/**
 * A raw request of the binary extension: the body is one input's bytes and nothing else, so shape and datatype come from the
 * signature. Treated as one row; at most one dimension may be variable. A string model gets the whole body as its one element.
 */
import { type HotpathError, invalidInput } from '../../core/errors.ts';
import { oipNames } from '../../core/oip-names.ts';
import { elementBytes, formatShape, type Tensor, type TensorSpec } from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import { solveShape } from '../codecs/row-plan.ts';
import { readText } from './bytes-elements.ts';
import { expectedAt } from './field-errors.ts';
import { readRawContents } from './raw-contents.ts';

/** @throws INVALID_INPUT when the model has several inputs, its shape is not settled by the size, or the bytes do not fit. */
export function bindRawBody(body: Uint8Array, model: ModelView): readonly Tensor[] {
  const { inputs } = model.signature;
  const spec = inputs[0];
  if (spec === undefined || inputs.length > 1) {
    const expected = 'a model with one input';
    throw invalidInput('body', `A raw request fits ${expected}; this one has ${inputs.length}.`, expected);
  }
  const { datatype } = spec;
  const pattern = patternOf(spec, model.batchable);
  if (datatype === 'string') return [oneText(body, pattern)];
  const count = body.byteLength / elementBytes[datatype];
  const shape = Number.isInteger(count) ? solveShape(pattern, count) : undefined;
  if (shape === undefined) throw wrongSize(body.byteLength, pattern, spec);
  return [{ datatype, shape, data: readRawContents('body', body, datatype, shape, count, model.nan === 'allow') }];
}

/** One row of a model with rows; the leading axis also stands back where more than one dimension is variable. */
function patternOf({ shape }: TensorSpec, batchable: boolean): readonly number[] {
  const variable = shape.filter((dim) => dim < 0).length;
  const leads = shape[0] === -1 && (batchable || variable > 1);
  return leads ? [1, ...shape.slice(1)] : shape;
}

function oneText(body: Uint8Array, pattern: readonly number[]): Tensor {
  if (pattern.some((dim) => dim !== 1 && dim !== -1)) {
    throw expectedAt('body', `one BYTES element, but the input has shape ${formatShape(pattern)}`, 'a raw request');
  }
  return { datatype: 'string', shape: pattern.map(() => 1), data: [readText('body', body, 0)] };
}

function wrongSize(byteLength: number, pattern: readonly number[], { datatype }: TensorSpec): HotpathError {
  const variable = pattern.filter((dim) => dim < 0).length;
  const each = `${oipNames[datatype]} values of shape ${formatShape(pattern)}, ${elementBytes[datatype]} bytes each`;
  const expected = variable > 1 ? `a shape, as ${formatShape(pattern)} has ${variable} variable dimensions` : each;
  return expectedAt('body', expected, `${byteLength} bytes`);
}
