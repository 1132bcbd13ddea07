import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseModelConfig } from '../model-config.ts';
import { failure, onnx } from './testing/refused-config.ts';
import { readTritonConfig } from './to-model-config.ts';

describe('the meaning of config.pbtxt', () => {
  it('takes over batch sizes, delays, queue limits, versions, instances and threads', () => {
    const { model, notes } = readTritonConfig(
      `${onnx}max_batch_size: 32
      version_policy: { specific { versions: [1, 3] } }
      dynamic_batching {
        max_queue_delay_microseconds: 1500
        default_queue_policy { default_timeout_microseconds: 250000, allow_timeout_override: true, max_queue_size: 64 }
      }
      instance_group [ { count: 2 kind: KIND_CPU } ]
      optimization { graph: { level: 1 } }
      parameters { key: "intra_op_thread_count" value: { string_value: "3" } }
      parameters [
        { key: "inter_op_thread_count" value { string_value: "2" } },
        { key: "execution_mode" value { string_value: "1" } },
        { key: "enable_mem_arena" value { string_value: "0" } },
        { key: "session.disable_prepacking" value { string_value: "1" } }
      ]`,
      'm',
    );
    assert.deepEqual(model, {
      versionPolicy: ['1', '3'],
      maxBatchSize: 32,
      maxDelayMs: 1.5,
      sloMs: 250,
      maxQueueRows: 64,
      instances: 2,
      intraOpThreads: 3,
      sessionOptions: {
        graphOptimizationLevel: 'extended',
        interOpNumThreads: 2,
        executionMode: 'parallel',
        enableCpuMemArena: false,
        extra: { 'session.disable_prepacking': '1' },
      },
    });
    assert.deepEqual(notes, [
      'dynamic_batching.default_queue_policy.default_timeout_microseconds is the deadline of the whole request here, not only of its wait in the queue.',
      'dynamic_batching.default_queue_policy.max_queue_size counts rows here, not requests.',
    ]);
    assert.deepEqual(parseModelConfig(model), model);
  });

  it('turns batching off without a batch axis, and leaves it open where the file says nothing of shapes', () => {
    assert.deepEqual(readTritonConfig(`${onnx}max_batch_size: 0`, 'm').model, { batching: 'off' });
    assert.deepEqual(readTritonConfig(`${onnx}input { name: "a" dims: 1 }`, 'm').model, { batching: 'off' });
    assert.deepEqual(readTritonConfig(onnx, 'm').model, {});
    assert.deepEqual(readTritonConfig('', 'm').model, {});
    assert.deepEqual(readTritonConfig('version_policy { all { } }', 'm').model, { versionPolicy: 'all' });
  });

  it('joins requests of different sequences as other requests, and honours the delay of the oldest strategy', () => {
    const read = (text: string) => readTritonConfig(`${onnx}max_batch_size: 8 sequence_batching { ${text} }`, 'm');
    assert.deepEqual(read('').model, { maxBatchSize: 8 });
    assert.deepEqual(read('oldest { max_queue_delay_microseconds: 2500 }').model, { maxBatchSize: 8, maxDelayMs: 2.5 });
    assert.deepEqual(read('direct { max_queue_delay_microseconds: 2500 }').model, { maxBatchSize: 8 });
    assert.deepEqual(read('direct { minimum_slot_utilization: 0.5 } iterative_sequence: true').notes, [
      'sequence_batching.direct.minimum_slot_utilization has no effect: sequences have no slots.',
      'sequence_batching.iterative_sequence has no effect: the server does not put a request back.',
    ]);
  });

  it('makes a pipeline of an ensemble, with the tensors in the order of the file', () => {
    const { model, notes } = readTritonConfig(
      `platform: "ensemble" version_policy { all { } }
      input { name: "A" dims: 1 } output [ { name: "C" dims: 1 }, { name: "B" dims: 1 } ]
      ensemble_scheduling { max_inflight_requests: 4 step [
        { model_name: "pre" model_version: -1 input_map { key: "x" value: "A" } output_map { key: "y" value: "B" } },
        { model_name: "net" model_version: 3 input_map { key: "x" value: "B" } output_map { key: "y" value: "C" } } ] }
      model_warmup { name: "w" } instance_group { count: 2 }`,
      'm',
    );
    assert.deepEqual(model, {
      versionPolicy: 'all',
      pipeline: {
        steps: [
          { model: 'pre', inputs: { x: 'A' }, outputs: { y: 'B' } },
          { model: 'net', version: '3', inputs: { x: 'B' }, outputs: { y: 'C' } },
        ],
        inputs: ['A'],
        outputs: ['C', 'B'],
      },
    });
    assert.deepEqual(
      notes.map((sentence) => sentence.split(' ')[0]),
      ['model_warmup', 'ensemble_scheduling.max_inflight_requests', 'instance_group'],
    );
  });

  it('chooses execution providers from groups and accelerators', () => {
    const providersOf = (text: string) => readTritonConfig(text, 'm').model.executionProviders;
    assert.deepEqual(providersOf('instance_group { kind: KIND_GPU }'), ['cuda']);
    assert.equal(providersOf('instance_group { kind: KIND_AUTO }'), undefined);
    assert.deepEqual(
      providersOf(`instance_group { kind: KIND_GPU }
        optimization { execution_accelerators { gpu_execution_accelerator : [ { name : "tensorrt" } ] } }`),
      ['tensorrt', 'cuda'],
    );
    const { model, notes } = readTritonConfig(
      'optimization { execution_accelerators { cpu_execution_accelerator { name: "openvino" } } }',
      'm',
    );
    assert.equal(model.executionProviders, undefined);
    assert.match(
      notes[0]!,
      /^optimization.execution_accelerators.cpu_execution_accelerator\[0\] "openvino" has no effect/,
    );
  });

  it('cuts what is beyond the limits, and says so', () => {
    const { model, notes } = readTritonConfig(
      `${onnx}max_batch_size: 100000 instance_group { count: 300 }
       dynamic_batching { max_queue_delay_microseconds: 100000000 }`,
      'm',
    );
    assert.deepEqual(model, { maxBatchSize: 65536, maxDelayMs: 60000, instances: 256 });
    assert.deepEqual(notes, [
      'max_batch_size is 100000; 65536 is used, the most there can be.',
      'dynamic_batching.max_queue_delay_microseconds (in ms) is 100000; 60000 is used, the most there can be.',
      'instance_group.count is 300; 256 is used, the most there can be.',
    ]);
  });

  it('takes the largest time there is as no limit', () => {
    const largest = '18446744073709551615';
    const { model } = readTritonConfig(`${onnx}dynamic_batching { max_queue_delay_microseconds: ${largest} }`, 'm');
    assert.equal(model.maxDelayMs, 60_000);
    assert.match(
      failure(`dynamic_batching { max_queue_delay_microseconds: ${largest}0 }`).message,
      /max_queue_delay_microseconds must be a whole number from 0, within 64 bits, not 184467440737095516150\.$/,
    );
  });

  it('reports every field without a meaning', () => {
    const { notes } = readTritonConfig(
      `${onnx}max_batch_size: 8
      input { name: "a" dims: 4 reshape { shape: [2, 2] } allow_ragged_batch: true is_shape_tensor: true optional: true }
      batch_input { kind: BATCH_ITEM_SHAPE } batch_output { }
      dynamic_batching { preferred_batch_size: [4, 8] preserve_ordering: true priority_levels: 1 default_priority_level: 1
        priority_queue_policy { key: 1 value { timeout_action: DELAY } } default_queue_policy { timeout_action: DELAY } }
      instance_group { kind: KIND_MODEL gpus: [0, 1] passive: true host_policy: "x" profile: "0" rate_limiter { priority: 2 } }
      optimization { priority: PRIORITY_MAX cuda { graphs: true } input_pinned_memory { enable: true } eager_batching: true }
      cc_model_filenames { key: "7.5" value: "x" } metric_tags { key: "a" value: "b" } model_operations { }
      parameters { key: "mine" value { string_value: "x" } }
      model_warmup { name: "w" inputs { key: "a" value { data_type: TYPE_FP32 dims: 4 zero_data: true } } }
      model_transaction_policy { decoupled: true } response_cache { enable: true } runtime: "x"
      model_repository_agents { agents { name: "checksum" } } model_metrics { }`,
      'm',
    );
    const fields = notes.map((sentence) => sentence.slice(0, sentence.indexOf(' ')));
    assert.deepEqual(fields.sort(), [
      'batch_input',
      'batch_output',
      'cc_model_filenames',
      'dynamic_batching.default_queue_policy.timeout_action',
      'dynamic_batching.preferred_batch_size',
      'dynamic_batching.preserve_ordering',
      'dynamic_batching.priority_queue_policy',
      'input[0].allow_ragged_batch',
      'input[0].is_shape_tensor',
      'input[0].optional',
      'instance_group[0].gpus',
      'instance_group[0].host_policy',
      'instance_group[0].kind',
      'instance_group[0].passive',
      'instance_group[0].profile',
      'instance_group[0].rate_limiter',
      'metric_tags',
      'model_metrics',
      'model_operations',
      'model_repository_agents',
      'model_transaction_policy.decoupled',
      'optimization.cuda',
      'optimization.eager_batching',
      'optimization.input_pinned_memory',
      'optimization.priority',
      'parameters["mine"]',
      'runtime',
    ]);
    for (const sentence of notes) assert.match(sentence, /[A-Za-z]\.$/);
  });
});
