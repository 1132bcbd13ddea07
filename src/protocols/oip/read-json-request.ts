/**
 * The parsed JSON of an infer request, and the bytes behind it, as an OipRequest. Checks form only: names, shapes and values are
 * checked by bind-inputs.ts once the model is known. Null counts as absent, as typed clients write it; unknown fields are
 * ignored, as every server of the protocol does (its own examples send `model_name`).
 */
import { invalidInput } from '../../core/errors.ts';
import { isObject } from '../codecs/read-row.ts';
import { describeValue } from '../codecs/value-text.ts';
import { refuseSharedMemory } from './answer-plan.ts';
import { expectedAt, inputField } from './field-errors.ts';
import type { OipContents, OipInput, OipOutputRequest, OipParameters, OipRequest } from './request.ts';

/** From the URL. */
export interface OipTarget {
  readonly model: string;
  readonly version: string | undefined;
}

export interface ReadLimits {
  readonly maxInputs: number;
}

/** @throws INVALID_INPUT naming the field; UNSUPPORTED for shared memory. */
export function readJsonRequest(value: unknown, binary: Uint8Array, target: OipTarget, limits: ReadLimits): OipRequest {
  if (!isObject(value)) throw expectedAt('body', 'an object with "inputs"', describeValue(value));
  const { model, version } = target;
  const tail = new BinaryTail(binary);
  const inputs = readList('inputs', value.inputs, limits.maxInputs);
  const parameters = readParameters('parameters', value.parameters);
  // An entity may bring them all.
  if (inputs.length === 0 && parameters?.entity === undefined)
    throw expectedAt('inputs', 'a list of at least one input', 'none');
  const request = {
    model,
    version,
    id: readId(value.id),
    parameters,
    inputs: inputs.map((input, index) => readInput(`inputs[${index}]`, input, tail)),
    outputs: readOutputs(value.outputs, limits.maxInputs),
  };
  tail.finish();
  return request;
}

/** What a raw request asks for: all outputs, in binary. Its input is bound by bind-raw-body.ts. */
export function rawRequest({ model, version }: OipTarget): OipRequest {
  const parameters = { binary_data_output: true };
  return { model, version, id: undefined, parameters, inputs: [], outputs: undefined };
}

/** Hands out the bytes behind the JSON in the order of the inputs that claim them. */
class BinaryTail {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(field: string, size: unknown): Uint8Array {
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
      throw expectedAt(`${field}.parameters.binary_data_size`, 'a number of bytes', describeValue(size));
    }
    const left = this.#bytes.byteLength - this.#offset;
    if (size > left) {
      const expected = `at most the ${left} bytes that are left of the body`;
      throw expectedAt(`${field}.parameters.binary_data_size`, expected, String(size));
    }
    const start = this.#offset;
    this.#offset += size;
    return this.#bytes.subarray(start, this.#offset);
  }

  finish(): void {
    const left = this.#bytes.byteLength - this.#offset;
    if (left === 0) return;
    throw expectedAt(
      'body',
      'the JSON part and as many bytes as the inputs claim by binary_data_size',
      `${left} bytes more`,
    );
  }
}

function readInput(field: string, value: unknown, tail: BinaryTail): OipInput {
  if (!isObject(value)) throw expectedAt(field, 'an input object', describeValue(value));
  const { name, datatype, shape } = value;
  if (typeof name !== 'string') throw expectedAt(`${field}.name`, 'a string', describeValue(name));
  const named = inputField(name);
  if (typeof datatype !== 'string') throw expectedAt(`${named}.datatype`, 'a string', describeValue(datatype));
  if (!isShape(shape)) throw expectedAt(`${named}.shape`, 'a list of integers', describeValue(shape));
  const parameters = readParameters(`${named}.parameters`, value.parameters);
  return { name, datatype, shape, contents: readContents(named, value.data, parameters, tail), parameters };
}

function readContents(
  field: string,
  data: unknown,
  parameters: OipParameters | undefined,
  tail: BinaryTail,
): OipContents {
  const hasData = data !== undefined && data !== null;
  if (parameters !== undefined) refuseSharedMemory(`${field}.parameters`, parameters);
  const size = parameters?.binary_data_size;
  if (size === undefined) {
    if (hasData) return { kind: 'json', value: data };
    throw invalidInput(field, `${field}: expected "data", or binary data by the parameter binary_data_size`, 'data');
  }
  if (hasData)
    throw invalidInput(field, `${field}: has both "data" and binary_data_size; give one`, 'one of them', 'both');
  return { kind: 'raw', bytes: tail.take(field, size) };
}

function isShape(value: unknown): value is number[] {
  if (!Array.isArray(value)) return false;
  for (const dim of value) if (typeof dim !== 'number' || !Number.isInteger(dim)) return false;
  return true;
}

/** An empty list asks for all, as gRPC cannot tell the two apart. */
function readOutputs(value: unknown, maxOutputs: number): readonly OipOutputRequest[] | undefined {
  if (value === undefined || value === null) return undefined;
  const list = readList('outputs', value, maxOutputs);
  return list.length === 0 ? undefined : list.map((output, index) => readOutput(`outputs[${index}]`, output));
}

function readOutput(field: string, value: unknown): OipOutputRequest {
  if (!isObject(value)) throw expectedAt(field, 'an output object', describeValue(value));
  const { name } = value;
  if (typeof name !== 'string') throw expectedAt(`${field}.name`, 'a string', describeValue(name));
  return { name, parameters: readParameters(`${field}.parameters`, value.parameters) };
}

function readList(field: string, value: unknown, maxLength: number): readonly unknown[] {
  if (!Array.isArray(value)) throw expectedAt(field, 'a list', describeValue(value));
  if (value.length > maxLength) throw expectedAt(field, `at most ${maxLength} entries`, String(value.length));
  return value;
}

function readId(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  if (typeof value === 'string') return value;
  throw expectedAt('id', 'a string', describeValue(value));
}

/** @throws INVALID_INPUT naming a parameter that is no boolean, number or string. */
export function readParameters(field: string, value: unknown): OipParameters | undefined {
  if (value === undefined || value === null) return undefined;
  if (!isObject(value)) throw expectedAt(field, 'an object', describeValue(value));
  for (const name of Object.keys(value)) {
    const type = typeof value[name];
    if (type === 'string' || type === 'number' || type === 'boolean') continue;
    throw expectedAt(`${field}.${name.slice(0, 100)}`, 'a boolean, a number or a string', describeValue(value[name]));
  }
  return value as OipParameters;
}
