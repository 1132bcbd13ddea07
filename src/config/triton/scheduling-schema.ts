/** The part of Triton's ModelConfig that is about scheduling: dynamic batching, sequences, ensembles. Data only; see model-config-schema.ts. */
import { enumOf, list, map, message, one } from './schema-types.ts';
import { dataType } from './tensor-schema.ts';

const queuePolicy = message({
  timeout_action: one(enumOf('REJECT', 'DELAY')),
  default_timeout_microseconds: one('uint64'),
  allow_timeout_override: one('bool'),
  max_queue_size: one('uint32'),
});

const dynamicBatching = message({
  preferred_batch_size: list('int32'),
  max_queue_delay_microseconds: one('uint64'),
  preserve_ordering: one('bool'),
  priority_levels: one('uint64'),
  default_priority_level: one('uint64'),
  default_queue_policy: one(queuePolicy),
  priority_queue_policy: { ...map(queuePolicy), numericKeys: true },
});

const control = message({
  kind: one(
    enumOf('CONTROL_SEQUENCE_START', 'CONTROL_SEQUENCE_READY', 'CONTROL_SEQUENCE_END', 'CONTROL_SEQUENCE_CORRID'),
  ),
  int32_false_true: list('int32'),
  fp32_false_true: list('float'),
  bool_false_true: list('bool'),
  data_type: one(dataType),
});

const initialState = message(
  {
    data_type: one(dataType),
    dims: { ...list('int64'), textInJson: true },
    zero_data: one('bool'),
    data_file: one('string'),
    name: one('string'),
  },
  ['zero_data', 'data_file'],
);

const state = message({
  input_name: one('string'),
  output_name: one('string'),
  data_type: one(dataType),
  dims: list('int64'),
  initial_state: list(initialState),
  use_same_buffer_for_input_output: one('bool'),
  use_growable_memory: one('bool'),
});

const sequenceBatching = message(
  {
    direct: one(message({ max_queue_delay_microseconds: one('uint64'), minimum_slot_utilization: one('float') })),
    oldest: one(
      message({
        max_candidate_sequences: one('int32'),
        preferred_batch_size: list('int32'),
        max_queue_delay_microseconds: one('uint64'),
        preserve_ordering: one('bool'),
      }),
    ),
    max_sequence_idle_microseconds: one('uint64'),
    control_input: list(message({ name: one('string'), control: list(control) })),
    state: list(state),
    iterative_sequence: one('bool'),
  },
  ['direct', 'oldest'],
);

const ensembleScheduling = message({
  step: list(
    message({
      model_name: one('string'),
      model_version: one('int64'),
      input_map: map('string'),
      output_map: map('string'),
      model_namespace: one('string'),
    }),
  ),
  max_inflight_requests: one('uint32'),
});

/** At most one of the three may be set. */
export const scheduling = {
  dynamic_batching: one(dynamicBatching),
  sequence_batching: one(sequenceBatching),
  ensemble_scheduling: one(ensembleScheduling),
};
