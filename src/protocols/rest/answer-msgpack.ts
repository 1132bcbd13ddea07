/**
 * Answers as MessagePack, the same fields as JSON. Rows and probabilities are lists; the `data` of named outputs is `bin` with
 * the raw little-endian bytes (lists for strings), which a client reads back without parsing.
 */
import type { NamedTensor } from '../../core/tensor.ts';
import type { InferResponse } from '../../core/types.ts';
import type { Interpretation } from '../../ports/handler.ts';
import { fromFloat16Bits } from '../codecs/float16.ts';
import { Float32List, writeMsgpack } from '../codecs/msgpack-writer.ts';
import { rowViewOf } from './answer-parts.ts';

export function msgpackPrediction(response: InferResponse, meaning: Interpretation): Uint8Array {
  const { prediction, probabilities, labels } = meaning;
  const { shape, count } = rowViewOf(prediction, 1);
  return writeMsgpack({
    prediction: nest(prediction, shape, 0, count),
    probabilities: probabilities === undefined ? undefined : list(probabilities, 0, probabilities.data.length),
    label: labels?.[0],
    ...tail(response),
  });
}

export function msgpackPredictions(response: InferResponse, meaning: Interpretation, rows: number): Uint8Array {
  const { prediction, probabilities, labels } = meaning;
  const { shape } = rowViewOf(prediction, rows);
  return writeMsgpack({
    predictions: nest(prediction, [rows, ...shape], 0, prediction.data.length),
    probabilities:
      probabilities === undefined ? undefined : nest(probabilities, probabilities.shape, 0, probabilities.data.length),
    labels: labels?.map((label) => label ?? null),
    count: rows,
    ...tail(response),
  });
}

export function msgpackOutputs(response: InferResponse): Uint8Array {
  const outputs = response.outputs.map(({ name, datatype, shape, data }) => {
    return [name, { datatype, shape, data: Array.isArray(data) ? data : bytesOf(data) }];
  });
  return writeMsgpack({ outputs: Object.fromEntries(outputs), ...tail(response) });
}

/** The memory of a typed array, which is little-endian on every platform Node runs on with ONNX Runtime. */
export function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function tail(response: InferResponse): Record<string, unknown> {
  return { model: response.model.name, version: response.model.version, timing: response.timing };
}

function nest(tensor: NamedTensor, shape: readonly number[], start: number, end: number): unknown {
  if (shape.length === 0) return element(tensor, start);
  if (shape.length === 1) return list(tensor, start, end);
  const length = shape[0]!;
  const step = length === 0 ? 0 : (end - start) / length;
  const inner = shape.slice(1);
  return Array.from({ length }, (_, i) => nest(tensor, inner, start + i * step, start + (i + 1) * step));
}

function list(tensor: NamedTensor, start: number, end: number): unknown {
  if (tensor.datatype === 'float32') return new Float32List((tensor.data as Float32Array).subarray(start, end));
  return Array.from({ length: end - start }, (_, i) => element(tensor, start + i));
}

function element({ datatype, data }: NamedTensor, index: number): unknown {
  const value = data[index];
  if (datatype === 'bool') return value === 1;
  return datatype === 'float16' ? fromFloat16Bits(value as number) : value;
}
