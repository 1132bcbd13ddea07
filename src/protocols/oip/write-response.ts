/**
 * The answer of an infer request over REST: JSON, or JSON followed by the binary outputs in their order. The last step of the
 * protocol's hot path; binary data is never copied, its chunks are views of the tensors.
 *
 * JSON convention for what JSON cannot write: NaN and infinities are the strings "NaN", "Infinity" and "-Infinity", which numpy and
 * our requests read (Triton writes the bare words, which are no JSON). 64-bit integers are numbers with all their digits.
 */

import { oipNames } from '../../core/oip-names.ts';
import type { NamedTensor } from '../../core/tensor.ts';
import type { InferResponse, ModelView } from '../../core/types.ts';
import { writeList } from '../codecs/write-json.ts';
import type { AnswerPlan } from './answer-plan.ts';
import { writeElements } from './bytes-elements.ts';
import { classify } from './classify.ts';

export interface OipAnswer {
  /** Content-Type, and Inference-Header-Content-Length with binary data: name, value, name, value. */
  readonly headers: string[];
  /** Text without binary data; else the JSON and then one chunk per binary output. */
  readonly body: string | readonly Uint8Array[];
}

/** @throws nothing: what cannot be written was refused by checkPlan and checkJsonForm before the run. */
export function writeResponse(plan: AnswerPlan, { model, outputs }: InferResponse): OipAnswer {
  const chunks: Uint8Array[] = [];
  let json = headOf(model, plan.id);
  let separator = '';
  const wanted = plan.outputs ?? outputs;
  for (let i = 0; i < wanted.length; i++) {
    const one = plan.outputs?.[i];
    const output = one === undefined ? outputs[i]! : outputs.find(({ name }) => name === one.name)!;
    const tensor = one === undefined || one.classes === 0 ? output : classify(output, one.classes, model);
    json += `${separator}{"name":${JSON.stringify(tensor.name)},"datatype":"${oipNames[tensor.datatype]}","shape":[${tensor.shape.join(',')}]`;
    separator = ',';
    if (one === undefined ? plan.binary : one.binary) {
      const bytes = binaryOf(tensor);
      chunks.push(bytes);
      json += `,"parameters":{"binary_data_size":${bytes.byteLength}}}`;
    } else json += `,"data":${writeList(tensor.datatype, tensor.data, 0, tensor.data.length)}}`;
  }
  json += ']}';
  if (chunks.length === 0) return { headers: ['content-type', 'application/json'], body: json };
  const header = Buffer.from(json);
  chunks.unshift(header);
  const headers = [
    'content-type',
    'application/octet-stream',
    'inference-header-content-length',
    String(header.byteLength),
  ];
  return { headers, body: chunks };
}

/** Little-endian bytes of a tensor, strings with their lengths; a view where there is something to view. */
export function binaryOf({ data }: NamedTensor): Uint8Array {
  if (Array.isArray(data)) return writeElements(data);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Models live long and their names rarely need escaping; the text is made once per loaded version. */
const heads = new WeakMap<ModelView, string>();

function headOf(model: ModelView, id: string | undefined): string {
  let head = heads.get(model);
  if (head === undefined) {
    head = `{"model_name":${JSON.stringify(model.name)},"model_version":${JSON.stringify(model.version)}`;
    heads.set(model, head);
  }
  return id === undefined ? `${head},"outputs":[` : `${head},"id":${JSON.stringify(id)},"outputs":[`;
}
