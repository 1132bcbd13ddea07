/** Metadata of a model as servers of the Open Inference Protocol have it, in our words. For both clients and `hotpath types`. */
import type { Datatype } from '../core/tensor.ts';
import { wrongAnswer } from './client-error.ts';
import { datatypeOf } from './tensors.ts';

export interface TensorInfo {
  readonly name: string;
  readonly datatype: Datatype;
  /** -1 for a variable dimension. */
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

/** As on the wire: datatypes by the protocol's names, 64-bit dimensions as numbers or text. */
export interface WireMetadata {
  readonly name?: string;
  readonly versions?: readonly string[];
  readonly platform?: string;
  readonly inputs?: readonly WireTensor[];
  readonly outputs?: readonly WireTensor[];
}

export interface WireTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly (number | string)[];
}

/** @throws INVALID_RESPONSE. */
export function readMetadata(wire: WireMetadata): ModelMetadata {
  if (wire.name === undefined) throw wrongAnswer('The answer is no model metadata of the Open Inference Protocol.');
  return {
    name: wire.name,
    versions: wire.versions ?? [],
    platform: wire.platform ?? '',
    inputs: (wire.inputs ?? []).map(readTensor),
    outputs: (wire.outputs ?? []).map(readTensor),
  };
}

function readTensor({ name, datatype, shape }: WireTensor): TensorInfo {
  return { name, datatype: datatypeOf(datatype), shape: shape.map(Number) };
}
