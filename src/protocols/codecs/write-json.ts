/**
 * Tensors as JSON text. Hand-written because 64-bit integers must come out exact, floats short, and JSON.stringify needs
 * a plain array first.
 */
import type { Datatype, Tensor, TensorData } from '../../core/tensor.ts';
import { float16Text, float32Text, float64Text } from './number-text.ts';

/** The elements from `start` to `end` as nested lists of `shape`; `[]` gives the bare scalar. */
export function writeNested({ datatype, data }: Tensor, shape: readonly number[], start: number, end: number): string {
  if (shape.length === 0) return writeElement(datatype, data, start);
  if (shape.length === 1) return writeList(datatype, data, start, end);
  const length = shape[0]!;
  if (length === 0) return '[]';
  const step = (end - start) / length;
  const inner = shape.slice(1);
  let text = '[';
  for (let i = 0; i < length; i++) {
    if (i > 0) text += ',';
    text += writeNested({ datatype, data, shape: inner }, inner, start + i * step, start + (i + 1) * step);
  }
  return `${text}]`;
}

/** The whole tensor as `{"datatype","shape","data"}` with flat data. */
export function writeTensor(tensor: Tensor): string {
  const { datatype, shape, data } = tensor;
  return `{"datatype":"${datatype}","shape":[${shape.join(',')}],"data":${writeList(datatype, data, 0, data.length)}}`;
}

/** One element: number, exact 64-bit integer, true/false or string. */
export function writeElement(datatype: Datatype, data: TensorData, index: number): string {
  const value = data[index]!;
  switch (datatype) {
    case 'float32':
      return float32Text(value as number);
    case 'float64':
      return float64Text(value as number);
    case 'float16':
      return float16Text(value as number);
    case 'bool':
      return value === 0 ? 'false' : 'true';
    case 'string':
      return JSON.stringify(value);
    default:
      return String(value);
  }
}

/** The elements from `start` to `end` as one flat list. */
export function writeList(datatype: Datatype, data: TensorData, start: number, end: number): string {
  if (datatype === 'float32') return writeFloats(data as Float32Array, start, end);
  let text = '[';
  for (let i = start; i < end; i++) {
    if (i > start) text += ',';
    text += writeElement(datatype, data, i);
  }
  return `${text}]`;
}

function writeFloats(data: Float32Array, start: number, end: number): string {
  let text = '[';
  for (let i = start; i < end; i++) {
    if (i > start) text += ',';
    text += float32Text(data[i]!);
  }
  return `${text}]`;
}
