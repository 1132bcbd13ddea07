/** Metadata of one model as the protocol has it, for REST and gRPC. Pure. */

import { oipNames } from '../../core/oip-names.ts';
import type { ModelStatus } from '../../core/registry/catalog.ts';
import type { TensorSpec } from '../../core/tensor.ts';
import type { LoadedModelStatus } from './model-lookup.ts';

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  /** -1 for variable dimensions, the batch axis included. */
  readonly shape: readonly number[];
}

export interface ModelMetadata {
  readonly name: string;
  /** All that can be served, ascending. */
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
  /** `label.<label>` -> version. The protocol's gRPC message has this field; absent when there is nothing to say. */
  readonly properties?: Readonly<Record<string, string>>;
}

/** Triton's name, which its clients compare with; the specification says onnx_onnxv1. */
export const onnxPlatform = 'onnxruntime_onnx';

/** `versions`: every version of the model, in whatever state. */
export function modelMetadata(status: LoadedModelStatus, versions: readonly ModelStatus[]): ModelMetadata {
  const { signature } = status.loaded;
  const labels = versions.flatMap(({ labels, version }) => labels.map((label) => [`label.${label}`, version] as const));
  return {
    name: status.name,
    versions: versions.filter(({ state }) => state !== 'failed').map(({ version }) => version),
    platform: onnxPlatform,
    inputs: signature.inputs.map(tensorMetadata),
    outputs: signature.outputs.map(tensorMetadata),
    ...(labels.length === 0 ? {} : { properties: Object.fromEntries(labels) }),
  };
}

function tensorMetadata({ name, datatype, shape }: TensorSpec): TensorMetadata {
  return { name, datatype: oipNames[datatype], shape };
}
