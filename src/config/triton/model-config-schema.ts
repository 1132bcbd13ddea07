/**
 * Every field of Triton's ModelConfig with its type, under the names and in the order of its published schema
 * (github.com/triton-inference-server/common, protobuf/model_config.proto). Data only; decode-message.ts reads configurations
 * with it, render-json.ts writes them.
 */
import { scheduling } from './scheduling-schema.ts';
import { type DecodedMessage, enumOf, list, map, message, one } from './schema-types.ts';
import { dataType, input, output } from './tensor-schema.ts';

const textMap = map('string');

const batchInput = message({
  kind: one(
    enumOf(
      'BATCH_ELEMENT_COUNT',
      'BATCH_ACCUMULATED_ELEMENT_COUNT',
      'BATCH_ACCUMULATED_ELEMENT_COUNT_WITH_ZERO',
      'BATCH_MAX_ELEMENT_COUNT_AS_SHAPE',
      'BATCH_ITEM_SHAPE',
      'BATCH_ITEM_SHAPE_FLATTEN',
    ),
  ),
  target_name: list('string'),
  data_type: one(dataType),
  source_input: list('string'),
});

const batchOutput = message({
  target_name: list('string'),
  kind: one(enumOf('BATCH_SCATTER_WITH_INPUT_SHAPE')),
  source_input: list('string'),
});

const rateLimiter = message({
  resources: list(message({ name: one('string'), global: one('bool'), count: one('uint32') })),
  priority: one('uint32'),
});

const instanceGroup = message({
  name: one('string'),
  kind: one(enumOf('KIND_AUTO', 'KIND_GPU', 'KIND_CPU', 'KIND_MODEL')),
  count: one('int32'),
  rate_limiter: one(rateLimiter),
  gpus: list('int32'),
  secondary_devices: list(
    message({ kind: one(enumOf('KIND_NVDLA')), device_id: { ...one('int64'), textInJson: true } }),
  ),
  profile: list('string'),
  passive: one('bool'),
  host_policy: one('string'),
});

const versionPolicy = message(
  {
    latest: one(message({ num_versions: one('uint32') })),
    all: one(message({})),
    specific: one(message({ versions: list('int64') })),
  },
  ['latest', 'all', 'specific'],
);

const cudaShape = message({ dim: { ...list('int64'), textInJson: true } });

const cuda = message({
  graphs: one('bool'),
  busy_wait_events: one('bool'),
  graph_spec: list(
    message({
      batch_size: one('int32'),
      input: map(cudaShape),
      graph_lower_bound: one(message({ batch_size: one('int32'), input: map(cudaShape) })),
    }),
  ),
  output_copy_stream: one('bool'),
});

const accelerator = message({ name: one('string'), parameters: textMap });
const pinnedMemory = message({ enable: one('bool') });

const optimization = message({
  graph: one(message({ level: one('int32') })),
  priority: one(enumOf('PRIORITY_DEFAULT', 'PRIORITY_MAX', 'PRIORITY_MIN')),
  cuda: one(cuda),
  execution_accelerators: one(
    message({ gpu_execution_accelerator: list(accelerator), cpu_execution_accelerator: list(accelerator) }),
  ),
  input_pinned_memory: one(pinnedMemory),
  output_pinned_memory: one(pinnedMemory),
  gather_kernel_buffer_threshold: one('uint32'),
  eager_batching: one('bool'),
});

const warmup = message({
  name: one('string'),
  batch_size: one('uint32'),
  inputs: map(
    message(
      {
        data_type: one(dataType),
        dims: list('int64'),
        zero_data: one('bool'),
        random_data: one('bool'),
        input_data_file: one('string'),
      },
      ['zero_data', 'random_data', 'input_data_file'],
    ),
  ),
  count: one('uint32'),
});

const metrics = message({
  metric_control: list(
    message({
      metric_identifier: one(message({ family: one('string') })),
      histogram_options: one(message({ buckets: list('double') })),
    }),
  ),
});

export const modelConfigSchema = message(
  {
    name: one('string'),
    platform: one('string'),
    backend: one('string'),
    runtime: one('string'),
    version_policy: one(versionPolicy),
    max_batch_size: one('int32'),
    input: list(input),
    output: list(output),
    batch_input: list(batchInput),
    batch_output: list(batchOutput),
    optimization: one(optimization),
    ...scheduling,
    instance_group: list(instanceGroup),
    default_model_filename: one('string'),
    cc_model_filenames: textMap,
    metric_tags: textMap,
    parameters: map(message({ string_value: one('string') })),
    model_warmup: list(warmup),
    model_operations: one(message({ op_library_filename: list('string') })),
    model_transaction_policy: one(message({ decoupled: one('bool') })),
    model_repository_agents: one(message({ agents: list(message({ name: one('string'), parameters: textMap })) })),
    response_cache: one(message({ enable: one('bool') })),
    model_metrics: one(metrics),
  },
  ['dynamic_batching', 'sequence_batching', 'ensemble_scheduling'],
);

/** A config.pbtxt as a plain object, with the names of the file. */
export type WrittenConfig = DecodedMessage<typeof modelConfigSchema>;
