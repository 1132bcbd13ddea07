/**
 * JSON `data` of one input as tensor data: flat in row-major order, or nested exactly as the shape says. Strings stand for what
 * JSON cannot write: "NaN", "Infinity", "-Infinity", and decimal text for integers beyond 2^53.
 */
import { invalidInput } from '../../core/errors.ts';
import { allocate, type Datatype, fitsPattern, formatShape, type TensorData } from '../../core/tensor.ts';
import { pluralOf, wrongLeaf } from '../codecs/leaf-errors.ts';
import { fillLeaves } from '../codecs/leaf-fill.ts';
import { NestedTarget, shapeOf } from '../codecs/nested-fill.ts';
import { describeValue } from '../codecs/value-text.ts';
import { expectedAt } from './field-errors.ts';

/** Nothing is allocated before the lists are known to hold `count` elements. @throws INVALID_INPUT naming the first wrong value. */
export function readJsonContents(
  input: string,
  value: unknown,
  datatype: Datatype,
  shape: readonly number[],
  count: number,
  allowNonFinite: boolean,
): TensorData {
  const field = `${input}.data`;
  if (datatype === 'float16') {
    throw invalidInput(
      field,
      `${field}: FP16 has no JSON form; send it as binary data (binary_data_size)`,
      'binary data',
    );
  }
  // The hot case: a flat list of exactly so many values.
  if (Array.isArray(value) && value.length === count && typeof value[0] !== 'object') {
    const data = allocate(datatype, count);
    const wrong = fillLeaves(datatype, data, 0, value, allowNonFinite);
    if (wrong >= 0) throw wrongLeaf(`${field}[${wrong}]`, datatype, value[wrong]);
    return data;
  }
  const sent = shapeOf(value);
  const flat = sent.length <= 1 && (sent[0] ?? 1) === count;
  if (!flat && !fitsPattern(sent, visible(shape))) {
    const expected = `${count} ${pluralOf(datatype)} for shape ${formatShape(shape)}`;
    throw expectedAt(field, expected, Array.isArray(value) ? formatShape(sent) : describeValue(value));
  }
  return new NestedTarget(field, '', datatype, sent, allowNonFinite).read(value);
}

/** What nested lists can show of a shape: nothing below an empty list. */
function visible(shape: readonly number[]): readonly number[] {
  const empty = shape.indexOf(0);
  return empty < 0 ? shape : shape.slice(0, empty + 1);
}
