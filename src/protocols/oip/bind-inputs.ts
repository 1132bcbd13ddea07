/**
 * The inputs of a request against the signature of its model: tensors in signature order, or INVALID_INPUT that names the input.
 * Called by every wire of the protocol once the model is known. Knows no wire format; `OipContents` says how elements came.
 */
import { type HotpathError, invalidInput } from '../../core/errors.ts';
import { oipNames } from '../../core/oip-names.ts';
import {
  elementCount,
  fitsPattern,
  formatShape,
  type Tensor,
  type TensorData,
  type TensorSpec,
} from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import { listNames, quote } from '../codecs/value-text.ts';
import { expectedAt, inputField } from './field-errors.ts';
import { readJsonContents } from './json-contents.ts';
import { readRawContents } from './raw-contents.ts';
import type { OipInput, OipRequest } from './request.ts';
import { readTypedContents } from './typed-contents.ts';

/** The server's configuration serves as it is. */
export interface BindLimits {
  readonly maxDims: number;
  readonly maxInputs: number;
}

/**
 * One tensor per input of the signature, in its order. Raw and most typed contents are not copied: the tensors alias the
 * message, which must stay as it is until the request is answered.
 * @throws INVALID_INPUT naming the input and what was expected.
 */
export function bindInputs(request: OipRequest, model: ModelView, limits: BindLimits): readonly Tensor[] {
  const { inputs } = request;
  const specs = model.signature.inputs;
  const allowNonFinite = model.nan === 'allow';
  if (inputs.length > limits.maxInputs) {
    throw expectedAt('inputs', `at most ${limits.maxInputs} inputs`, String(inputs.length));
  }
  const tensors = new Array<Tensor>(specs.length);
  for (let i = 0; i < inputs.length; i++) {
    const input = inputs[i]!;
    // Clients nearly always keep the signature's order.
    const index = specs[i]?.name === input.name ? i : specs.findIndex(({ name }) => name === input.name);
    if (index < 0) throw unknownInput(input.name, specs);
    if (tensors[index] !== undefined) throw expectedAt(inputField(input.name), 'each input once', 'it twice');
    tensors[index] = bindInput(input, specs[index]!, limits.maxDims, allowNonFinite);
  }
  if (inputs.length < specs.length) throw missingInput(tensors, specs);
  return tensors;
}

function bindInput(input: OipInput, spec: TensorSpec, maxDims: number, allowNonFinite: boolean): Tensor {
  const { datatype } = spec;
  const { shape } = input;
  if (input.datatype !== oipNames[datatype]) {
    throw expectedAt(`${inputField(input.name)}.datatype`, oipNames[datatype], quote(input.datatype));
  }
  const count = elementCount(shape);
  if (count < 0 || shape.length > maxDims) throw badShape(input, maxDims);
  if (!fitsPattern(shape, spec.shape)) {
    throw expectedAt(`${inputField(input.name)}.shape`, formatShape(spec.shape), formatShape(shape));
  }
  return { datatype, shape, data: readContents(input, spec, count, allowNonFinite) };
}

function readContents(input: OipInput, { datatype }: TensorSpec, count: number, allowNonFinite: boolean): TensorData {
  const { contents, shape } = input;
  const field = inputField(input.name);
  switch (contents.kind) {
    case 'raw':
      return readRawContents(field, contents.bytes, datatype, shape, count, allowNonFinite);
    case 'typed':
      return readTypedContents(field, contents.values, datatype, shape, count, allowNonFinite);
    case 'json':
      return readJsonContents(field, contents.value, datatype, shape, count, allowNonFinite);
  }
}

function badShape({ name, shape }: OipInput, maxDims: number): HotpathError {
  const expected = `at most ${maxDims} dimensions, none negative, whose product is below 2^53`;
  const received = shape.length > maxDims ? `${shape.length} dimensions` : `[${shape.slice(0, 16).join(', ')}]`;
  return expectedAt(`${inputField(name)}.shape`, expected, received);
}

function unknownInput(name: string, specs: readonly TensorSpec[]): HotpathError {
  const known = listNames(specs.map((spec) => spec.name));
  return invalidInput(inputField(name), `Unknown input ${quote(name)}; the model has: ${known}`, known, quote(name));
}

function missingInput(tensors: readonly (Tensor | undefined)[], specs: readonly TensorSpec[]): HotpathError {
  const missing = specs.filter((_, index) => tensors[index] === undefined).map((spec) => spec.name);
  const known = listNames(specs.map((spec) => spec.name));
  return invalidInput(
    inputField(missing[0]!),
    `Missing input ${listNames(missing)}; the model takes: ${known}`,
    known,
    'nothing',
  );
}
