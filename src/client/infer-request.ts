/**
 * An inference call as the body of a REST request of the Open Inference Protocol: JSON, or JSON with the tensors' bytes behind it
 * (extension binary_tensor_data). Pure; called by the fetch client once per attempt, as the deadline shrinks.
 */
import type { Priority } from '../core/types.ts';
import { rawBytesOf } from './bytes-elements.ts';
import { writeData } from './json-data.ts';
import { elementBytesOf, oipNames, type WireInput } from './tensors.ts';

export type BinaryMode = 'auto' | 'always' | 'never';

/** A value of the protocol's `parameters`. */
export type ParameterValue = boolean | number | string;

export interface InferCall {
  readonly inputs: readonly WireInput[];
  /** Undefined: all. */
  readonly outputs: readonly string[] | undefined;
  readonly id: string | undefined;
  readonly priority: Priority | undefined;
  readonly parameters: Readonly<Record<string, ParameterValue>> | undefined;
}

export interface EncodedRequest {
  readonly body: string | Uint8Array<ArrayBuffer>;
  /** Length of the JSON part, when tensors follow it. */
  readonly jsonBytes: number | undefined;
}

/** Up to here JSON is as fast, and can be read in a network log. */
const maxJsonElements = 64;

const encoder = new TextEncoder();

/** @param timeoutMs what is left of the deadline; undefined: the model's own. @throws INVALID_INPUT. */
export function encodeInferRequest(call: InferCall, binary: BinaryMode, timeoutMs: number | undefined): EncodedRequest {
  if (!goesBinary(call.inputs, binary))
    return { body: textOf(call, call.inputs, undefined, binary, timeoutMs), jsonBytes: undefined };
  // Widest elements first: then all begin at a multiple of their size once the JSON does, and the server need not copy.
  const inputs = call.inputs.toSorted((a, b) => elementBytesOf(b.datatype) - elementBytesOf(a.datatype));
  const chunks = inputs.map(({ data }) => rawBytesOf(data));
  const json = encoder.encode(textOf(call, inputs, chunks, binary, timeoutMs));
  const jsonBytes = Math.ceil(json.length / 8) * 8;
  const body = new Uint8Array(chunks.reduce((size, chunk) => size + chunk.byteLength, jsonBytes));
  body.set(json);
  body.fill(0x20, json.length, jsonBytes);
  let at = jsonBytes;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.byteLength;
  }
  return { body, jsonBytes };
}

function goesBinary(inputs: readonly WireInput[], binary: BinaryMode): boolean {
  if (binary !== 'auto') return binary === 'always';
  let elements = 0;
  for (const { datatype, data } of inputs) {
    if (datatype === 'float16') return true;
    elements += data.length;
  }
  return elements > maxJsonElements;
}

/** `chunks`: the inputs' bytes when they follow the JSON. */
function textOf(
  call: InferCall,
  inputs: readonly WireInput[],
  chunks: readonly Uint8Array[] | undefined,
  binary: BinaryMode,
  timeoutMs: number | undefined,
): string {
  const id = call.id === undefined ? '' : `"id":${JSON.stringify(call.id)},`;
  const parts = inputs.map((input, index) => {
    const { name, datatype, shape, data } = input;
    const head = `{"name":${JSON.stringify(name)},"datatype":"${oipNames[datatype]}","shape":[${shape.join(',')}]`;
    const chunk = chunks?.[index];
    if (chunk === undefined) return `${head},"data":${writeData(name, datatype, data)}}`;
    return `${head},"parameters":{"binary_data_size":${chunk.byteLength}}}`;
  });
  const outputs = call.outputs?.map((name) => ({ name }));
  const rest = { parameters: parametersOf(call, timeoutMs, binary !== 'never'), ...(outputs && { outputs }) };
  return `{${id}"inputs":[${parts.join(',')}],${JSON.stringify(rest).slice(1)}`;
}

/** The protocol counts microseconds, and priorities from 1 on with 0 for the default. */
export function parametersOf(
  { priority, parameters }: Pick<InferCall, 'priority' | 'parameters'>,
  timeoutMs: number | undefined,
  binaryOutput: boolean,
): Record<string, ParameterValue> {
  return {
    ...parameters,
    ...(priority === undefined ? {} : { priority: priority + 1 }),
    ...(timeoutMs === undefined ? {} : { timeout: Math.max(1, Math.round(timeoutMs * 1000)) }),
    // Servers without the extension ignore it and answer JSON, which is read as well.
    ...(binaryOutput ? { binary_data_output: true } : {}),
  };
}
