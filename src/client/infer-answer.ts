/**
 * The answer of an inference call over REST: JSON, or JSON with the outputs' bytes behind it, into typed arrays that view the body
 * where it is aligned. Pure; called by the fetch client once per success.
 */
import { readElements } from './bytes-elements.ts';
import { wrongAnswer } from './client-error.ts';
import { parseExactly, readData } from './json-data.ts';
import { type AnyOutput, datatypeOf, viewOf } from './tensors.ts';

export interface AnyInferResult {
  readonly model: string;
  readonly version: string | undefined;
  readonly id: string | undefined;
  readonly outputs: Readonly<Record<string, AnyOutput>>;
}

interface WireOutput {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data?: unknown;
  readonly parameters?: { readonly binary_data_size?: number };
}

interface WireAnswer {
  readonly model_name: string;
  readonly model_version?: string;
  readonly id?: string;
  readonly outputs: readonly WireOutput[];
}

const decoder = new TextDecoder();

/** `jsonBytes`: from the header Inference-Header-Content-Length; undefined without it. @throws INVALID_RESPONSE. */
export function decodeInferAnswer(body: Uint8Array, jsonBytes: number | undefined): AnyInferResult {
  const text = decoder.decode(jsonBytes === undefined ? body : body.subarray(0, jsonBytes));
  const answer = parseAnswer(text);
  const outputs: Record<string, AnyOutput> = {};
  let at = jsonBytes ?? body.byteLength;
  for (const output of answer.outputs) {
    const size = output.parameters?.binary_data_size;
    const bytes = size === undefined ? undefined : body.subarray(at, at + size);
    if (bytes !== undefined && bytes.byteLength !== size) throw wrongAnswer(`The output ${output.name} is cut off.`);
    at += size ?? 0;
    // A plain assignment to __proto__ would change the object instead of adding to it.
    Object.defineProperty(outputs, output.name, { value: readOutput(output, bytes), enumerable: true });
  }
  return { model: answer.model_name, version: answer.model_version, id: answer.id, outputs };
}

function readOutput({ name, datatype: oipName, shape, data }: WireOutput, bytes: Uint8Array | undefined): AnyOutput {
  const datatype = datatypeOf(oipName);
  if (bytes === undefined) return { datatype, shape, data: readData(name, datatype, shape, data) };
  return { datatype, shape, data: decodeRaw(name, datatype, shape, bytes) };
}

/** Bytes of a binary output, or of gRPC's raw contents. @throws INVALID_RESPONSE. */
export function decodeRaw(
  name: string,
  datatype: AnyOutput['datatype'],
  shape: readonly number[],
  bytes: Uint8Array,
): AnyOutput['data'] {
  return datatype === 'string' ? readElements(name, bytes) : viewOf(name, datatype, shape, bytes);
}

function parseAnswer(text: string): WireAnswer {
  let answer: Partial<WireAnswer> | null;
  try {
    answer = parseExactly(text) as Partial<WireAnswer> | null;
  } catch (cause) {
    if (cause instanceof SyntaxError) throw wrongAnswer('The server answered no JSON.', { cause });
    throw cause;
  }
  const { model_name: model, outputs } = answer ?? {};
  if (typeof model !== 'string' || !Array.isArray(outputs) || !outputs.every(isOutput)) {
    throw wrongAnswer('The answer is no inference response of the Open Inference Protocol.');
  }
  return answer as WireAnswer;
}

function isOutput(value: unknown): value is WireOutput {
  const { name, shape } = (value ?? {}) as Partial<WireOutput>;
  return typeof name === 'string' && Array.isArray(shape);
}
