/**
 * gRPC's typed contents as tensor data. They hold 8- and 16-bit integers as 32-bit ones, so those are narrowed with a check of
 * every value; all others are used as they are, without a copy. FP16 has no typed form.
 */
import { invalidInput } from '../../core/errors.ts';
import { oipNames } from '../../core/oip-names.ts';
import { allocate, type Datatype, formatShape, type NumericArray, type TensorData } from '../../core/tensor.ts';
import { wrongLeaf } from '../codecs/leaf-errors.ts';
import { fillLeaves } from '../codecs/leaf-fill.ts';
import { readText } from './bytes-elements.ts';
import { expectedAt } from './field-errors.ts';
import { refuseOddValues } from './raw-contents.ts';

interface TypedForm {
  /** Field of InferTensorContents. */
  readonly contents: string;
  readonly arrays: abstract new (...args: never[]) => ArrayLike<unknown>;
}

const ints: TypedForm = { contents: 'int_contents', arrays: Int32Array };
const uints: TypedForm = { contents: 'uint_contents', arrays: Uint32Array };

const forms = {
  bool: { contents: 'bool_contents', arrays: Uint8Array },
  int8: ints,
  int16: ints,
  int32: ints,
  int64: { contents: 'int64_contents', arrays: BigInt64Array },
  uint8: uints,
  uint16: uints,
  uint32: uints,
  uint64: { contents: 'uint64_contents', arrays: BigUint64Array },
  float16: undefined,
  float32: { contents: 'fp32_contents', arrays: Float32Array },
  float64: { contents: 'fp64_contents', arrays: Float64Array },
  string: { contents: 'bytes_contents', arrays: Array },
} as const satisfies Record<Datatype, TypedForm | undefined>;

/** @throws INVALID_INPUT on the wrong kind of contents, another count, or a value that does not fit the datatype. */
export function readTypedContents(
  field: string,
  values: TensorData | readonly Uint8Array[],
  datatype: Datatype,
  shape: readonly number[],
  count: number,
  allowNonFinite: boolean,
): TensorData {
  const form: TypedForm | undefined = forms[datatype];
  if (form === undefined) {
    throw invalidInput(field, `${field}: FP16 has no typed contents; send it in raw_input_contents`, 'raw contents');
  }
  if (!(values instanceof form.arrays))
    throw expectedAt(field, `${oipNames[datatype]} in ${form.contents}`, contentsOf(values));
  if (values.length !== count) {
    throw expectedAt(field, `${count} elements for shape ${formatShape(shape)}`, String(values.length));
  }
  if (datatype === 'string') return readTexts(field, values as string[] | readonly Uint8Array[]);
  const data = values as NumericArray;
  switch (datatype) {
    case 'int8':
    case 'int16':
    case 'uint8':
    case 'uint16':
      return narrow(field, datatype, data);
    default:
      refuseOddValues(field, datatype, data, allowNonFinite);
      return data;
  }
}

function narrow(field: string, datatype: Datatype, values: NumericArray): TensorData {
  const data = allocate(datatype, values.length);
  const wrong = fillLeaves(datatype, data, 0, values, false);
  if (wrong >= 0) throw wrongLeaf(`${field}[${wrong}]`, datatype, values[wrong]);
  return data;
}

function readTexts(field: string, values: readonly (string | Uint8Array)[]): string[] {
  return values.map((value, index) => (typeof value === 'string' ? value : readText(field, value, index)));
}

/** Only for messages. */
function contentsOf(values: TensorData | readonly Uint8Array[]): string {
  const known: readonly (TypedForm | undefined)[] = Object.values(forms);
  return known.find((form) => form !== undefined && values instanceof form.arrays)?.contents ?? 'others';
}
