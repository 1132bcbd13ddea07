/**
 * What is in force for a loaded model, in the JSON form of Triton's ModelConfig: what load testers and tuners read. Values of
 * Triton's that have no counterpart here are left out rather than invented. Pure; for REST and gRPC.
 */
import type { LoadedStatus, ModelStatus } from '../../core/registry/catalog.ts';
import type { TensorSpec } from '../../core/tensor.ts';
import { configName } from './datatypes.ts';
import { onnxPlatform } from './metadata.ts';
import { type LoadedModelStatus, loadedStatus, type ModelLookup } from './model-lookup.ts';

interface ConfigTensor {
  readonly name: string;
  readonly data_type: string;
  /** Without the batch axis when max_batch_size is above 0. */
  readonly dims: readonly number[];
}

interface ConfigGroup {
  readonly name: string;
  readonly kind: 'KIND_CPU' | 'KIND_GPU' | 'KIND_MODEL';
  readonly count: number;
}

interface DynamicBatching {
  readonly preferred_batch_size: readonly number[];
  readonly max_queue_delay_microseconds: number;
  readonly preserve_ordering: boolean;
  readonly priority_levels: number;
  readonly default_priority_level: number;
  readonly default_queue_policy: {
    readonly timeout_action: 'REJECT';
    readonly default_timeout_microseconds: number;
    readonly allow_timeout_override: boolean;
  };
}

export interface TritonModelConfig {
  readonly name: string;
  readonly platform: string;
  readonly backend: string;
  readonly version_policy: { readonly specific: { readonly versions: readonly number[] } };
  readonly max_batch_size: number;
  readonly input: readonly ConfigTensor[];
  readonly output: readonly ConfigTensor[];
  readonly dynamic_batching?: DynamicBatching;
  readonly instance_group: readonly ConfigGroup[];
  readonly default_model_filename: string;
  readonly parameters: Readonly<Record<string, { readonly string_value: string }>>;
  readonly model_transaction_policy: { readonly decoupled: boolean };
}

/** Elsewhere is neither: Triton's word for a model that says itself where it runs. */
const kinds: Readonly<Record<string, ConfigGroup['kind']>> = { cpu: 'KIND_CPU', remote: 'KIND_MODEL' };

/** Priorities 1 to 4 of the protocol; the default counts as 1. */
const priorityLevels = 4;

/** As the model's folder says it where that is Triton's, else what is in force. @throws as loadedStatus. */
export async function configOf(lookup: ModelLookup, model: string, version: string | undefined): Promise<object> {
  const status = await loadedStatus(lookup, model, version);
  const written = await lookup.writtenConfig?.(model, status.loaded.instances);
  return written ?? modelConfig(status, await lookup.catalog.list(model));
}

/** What is in force. `versions`: every version of the model, in whatever state. */
export function modelConfig(status: LoadedModelStatus, versions: readonly ModelStatus[]): TritonModelConfig {
  const { name, loaded } = status;
  const { signature, batching } = loaded;
  const tensor = (spec: TensorSpec): ConfigTensor => configTensor(spec, batching.enabled);
  return {
    name,
    platform: onnxPlatform,
    backend: 'onnxruntime',
    version_policy: { specific: { versions: versions.map(({ version }) => Number(version)) } },
    max_batch_size: batching.enabled ? batching.maxBatchSize : 0,
    input: signature.inputs.map(tensor),
    output: signature.outputs.map(tensor),
    ...(batching.enabled ? { dynamic_batching: dynamicBatching(loaded) } : {}),
    instance_group: [{ name, kind: kinds[loaded.executionProvider] ?? 'KIND_GPU', count: loaded.instances }],
    default_model_filename: 'model.onnx',
    parameters: { intra_op_thread_count: { string_value: String(loaded.intraOpThreads) } },
    model_transaction_policy: { decoupled: false },
  };
}

function configTensor({ name, datatype, shape }: TensorSpec, batched: boolean): ConfigTensor {
  return { name, data_type: configName(datatype), dims: batched ? shape.slice(1) : shape };
}

function dynamicBatching({ batching, sloMs }: LoadedStatus): DynamicBatching {
  return {
    preferred_batch_size: [],
    max_queue_delay_microseconds: Math.round((batching.maxDelayMs ?? 0) * 1000),
    preserve_ordering: false,
    priority_levels: priorityLevels,
    default_priority_level: 1,
    default_queue_policy: {
      timeout_action: 'REJECT',
      default_timeout_microseconds: Math.round(sloMs * 1000),
      allow_timeout_override: true,
    },
  };
}
