import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { renderTritonJson } from './render-json.ts';
import { readTritonConfig } from './to-model-config.ts';

interface Rendered {
  readonly optimization: { readonly cuda: { readonly graph_spec: readonly { readonly input: object }[] } };
  readonly model_warmup: readonly { readonly inputs: object }[];
}

function render(text: string, instances?: number) {
  return renderTritonJson(readTritonConfig(text, 'm').config, instances);
}

describe('the JSON form of a configuration', () => {
  it('has every scalar and list, and the defaults that Triton fills in', () => {
    const json = render(
      'max_batch_size: 8 input { name: "x" data_type: TYPE_FP32 dims: [-1, 4] } output { name: "y" }',
      2,
    );
    assert.equal(
      JSON.stringify(json),
      JSON.stringify({
        name: 'm',
        platform: 'onnxruntime_onnx',
        backend: 'onnxruntime',
        runtime: '',
        version_policy: { latest: { num_versions: 1 } },
        max_batch_size: 8,
        input: [
          {
            name: 'x',
            data_type: 'TYPE_FP32',
            format: 'FORMAT_NONE',
            dims: [-1, 4],
            is_shape_tensor: false,
            allow_ragged_batch: false,
            optional: false,
            is_non_linear_format_io: false,
          },
        ],
        output: [
          {
            name: 'y',
            data_type: 'TYPE_INVALID',
            dims: [],
            label_filename: '',
            is_shape_tensor: false,
            is_non_linear_format_io: false,
          },
        ],
        batch_input: [],
        batch_output: [],
        optimization: {
          priority: 'PRIORITY_DEFAULT',
          input_pinned_memory: { enable: true },
          output_pinned_memory: { enable: true },
          gather_kernel_buffer_threshold: 0,
          eager_batching: false,
        },
        instance_group: [
          {
            name: 'm',
            kind: 'KIND_CPU',
            count: 2,
            gpus: [],
            secondary_devices: [],
            profile: [],
            passive: false,
            host_policy: '',
          },
        ],
        default_model_filename: 'model.onnx',
        cc_model_filenames: {},
        metric_tags: {},
        parameters: {},
        model_warmup: [],
      }),
    );
  });

  it('fills preferred sizes and the idle time of sequences as Triton does', () => {
    assert.deepEqual(
      render('max_batch_size: 8 dynamic_batching { max_queue_delay_microseconds: 100 }').dynamic_batching,
      {
        preferred_batch_size: [8],
        max_queue_delay_microseconds: 100,
        preserve_ordering: false,
        priority_levels: 0,
        default_priority_level: 0,
        priority_queue_policy: {},
      },
    );
    assert.deepEqual(render('max_batch_size: 8 sequence_batching { oldest { } }').sequence_batching, {
      oldest: {
        max_candidate_sequences: 0,
        preferred_batch_size: [8],
        max_queue_delay_microseconds: 0,
        preserve_ordering: false,
      },
      max_sequence_idle_microseconds: 1_000_000,
      control_input: [],
      state: [],
      iterative_sequence: false,
    });
  });

  it('writes 64-bit integers as numbers, except where Triton leaves protobuf’s strings', () => {
    const { optimization, model_warmup: warmup } = render(`
      optimization { cuda { graph_spec { input { key: "x" value { dim: [4, 5] } } } } }
      model_warmup { inputs { key: "x" value { data_type: TYPE_FP32 dims: [4] zero_data: true } } }`) as unknown as Rendered;
    assert.deepEqual(optimization.cuda.graph_spec[0]?.input, { x: { dim: ['4', '5'] } });
    assert.deepEqual(warmup[0]?.inputs, { x: { data_type: 'TYPE_FP32', dims: [4], zero_data: true } });
  });

  it('shows an ensemble without a backend and without instances', () => {
    const json = render(`platform: "ensemble" ensemble_scheduling { step {
      model_name: "a" model_version: -1 input_map { key: "x" value: "X" } output_map { key: "y" value: "Y" } } }`);
    assert.deepEqual([json.platform, json.backend, json.instance_group], ['ensemble', '', []]);
    assert.deepEqual(json.ensemble_scheduling, {
      step: [
        { model_name: 'a', model_version: -1, input_map: { x: 'X' }, output_map: { y: 'Y' }, model_namespace: '' },
      ],
      max_inflight_requests: 0,
    });
    assert.equal(json.optimization, undefined);
  });
});
