import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { parseModelConfig } from '../model-config.ts';
import { modelConfigSchema } from './model-config-schema.ts';
import type { FieldType } from './schema-types.ts';
import { readTritonConfig } from './to-model-config.ts';

const onnx = 'platform: "onnxruntime_onnx"\n';

function failure(text: string): HotpathError {
  try {
    readTritonConfig(text, 'm');
  } catch (error) {
    assert.ok(error instanceof HotpathError, String(error));
    return error;
  }
  assert.fail(`no error for ${text}`);
}

describe('the fields of config.pbtxt', () => {
  it('are refused by place and path, saying what was expected', () => {
    for (const [text, message] of [
      ['max_batch_sise: 8', 'line 2, column 1: there is no field "max_batch_sise". Did you mean "max_batch_size"?'],
      ['input { nam: "x" }', 'line 2, column 9: there is no field "nam" in input[0]. Did you mean "name"?'],
      [
        'version_policy { newest {} }',
        'line 2, column 18: there is no field "newest" in version_policy. Known are latest, all, specific.',
      ],
      [
        'input [{ name: "a" }, { dims: "x" }]',
        'line 2, column 31: input[1].dims[0] must be a whole number within 2^53, not the string "x".',
      ],
      [
        'input { name: "a" }\ninput { dims: [1, 2.5] }',
        'line 3, column 19: input[1].dims[1] must be a whole number within 2^53, not 2.5.',
      ],
      ['input { data_type: TYPE_FP23 }', 'not TYPE_FP23. Did you mean TYPE_FP32?'],
      ['input { data_type: 99 }', 'TYPE_BF16, not 99.'],
      ['input { optional: 2 }', 'line 2, column 19: input[0].optional must be true or false, not 2.'],
      ['name: abc', 'line 2, column 7: name must be a string in quotes, not abc.'],
      ['name: { }', 'line 2, column 7: name must be a string in quotes, not a message.'],
      ['input: 5', 'line 2, column 8: input[0] must be a message in { }, not 5.'],
      ['max_batch_size: [1]', 'line 2, column 1: max_batch_size takes one value, not a list.'],
      ['max_batch_size: 1 max_batch_size: 2', 'line 2, column 19: max_batch_size is given twice; it takes one value.'],
      ['max_batch_size: 2147483648', 'must be a whole number within 32 bits, not 2147483648.'],
      [
        'version_policy { all {} latest { num_versions: 1 } }',
        'line 2, column 25: version_policy.latest cannot stand beside all; only one of latest, all, specific may be given.',
      ],
      ['parameters { key: 5 }', 'line 2, column 19: parameters[0].key must be a string in quotes, not 5.'],
      [
        'parameters { key: "a" value { string: "b" } }',
        'there is no field "string" in parameters[0].value. Known are string_value.',
      ],
      ['name: "a', 'line 2, column 7: this string has no closing " on its line.'],
    ] as const) {
      const { message: found } = failure(onnx + text);
      assert.ok(found.startsWith('config.pbtxt, line') && found.endsWith(message), `${found}\n${message}`);
    }
    assert.deepEqual(failure('\n input { dims: x }').details, { field: 'input[0].dims[0]', line: 2, column: 16 });
  });

  it('may contradict neither each other nor the folder', () => {
    for (const [text, message] of [
      ['name: "other"', 'name is "other", but the folder is called "m"; leave it out or make them equal.'],
      ['max_batch_size: -1', 'max_batch_size is -1; it must not be negative.'],
      ['input { dims: 1 }', 'input[0].name is missing; every tensor needs the name it has in the model.'],
      ['input { name: "a" } input { name: "a" }', 'input[1].name is "a", as that of another input.'],
      ['input { name: "a" dims: 0 }', 'input[0].dims holds 0; a dimension is at least 1, or -1 where it is variable.'],
      ['input { name: "a" data_type: TYPE_BF16 }', 'input[0].data_type is TYPE_BF16, which is not supported here.'],
      [
        'input { name: "a" dims: [2, 3] reshape { shape: [7] } }',
        'input[0].reshape makes [7] of [2, 3], which has another number of elements.',
      ],
      [
        'output { name: "a" label_filename: "../x" }',
        'output[0].label_filename must be the name of a file in the model’s folder, without a path.',
      ],
      [
        'default_model_filename: "/etc/passwd"',
        'default_model_filename must be the name of a file in the model’s folder, without a path.',
      ],
      ['version_policy { latest {} }', 'version_policy.latest.num_versions must be at least 1.'],
      [
        'version_policy { specific { versions: [0] } }',
        'version_policy.specific.versions holds 0; versions start at 1.',
      ],
      ['instance_group { count: 0 }', 'instance_group[0].count is 0; it must be at least 1.'],
      [
        'max_batch_size: 4 dynamic_batching { preferred_batch_size: 8 }',
        'dynamic_batching.preferred_batch_size holds 8; it must be from 1 to max_batch_size, 4.',
      ],
      [
        'dynamic_batching { priority_levels: 2 }',
        'dynamic_batching.default_priority_level is 0; it must be from 1 to 2.',
      ],
      [
        'parameters { key: "intra_op_thread_count" value { string_value: "two" } }',
        'parameters["intra_op_thread_count"] is "two"; expected a whole number in quotes.',
      ],
      [
        'sequence_batching { control_input { name: "S" control { kind: CONTROL_SEQUENCE_START } } }',
        'sequence_batching.control_input[0].control[0] needs one of int32_false_true, fp32_false_true and bool_false_true, with two values.',
      ],
      [
        'sequence_batching { control_input { name: "S" control [{ int32_false_true: [0, 1] }, { int32_false_true: [0, 1] }] } }',
        'sequence_batching.control_input has two controls of the kind start.',
      ],
      [
        'sequence_batching { control_input { name: "S" control [{ int32_false_true: [0, 1] }, { kind: CONTROL_SEQUENCE_END int32_false_true: [0, 1] }] } }',
        'sequence_batching.control_input gives the input "S" two controls.',
      ],
      ['ensemble_scheduling { }', 'ensemble_scheduling needs the platform "ensemble".'],
    ] as const) {
      assert.equal(failure(onnx + text).message, `config.pbtxt: ${message}`);
    }
  });

  it('refuse other platforms and backends by name', () => {
    const other = failure('platform: "tensorrt_plan"');
    assert.equal(other.code, 'UNSUPPORTED');
    assert.match(
      other.message,
      /the platform "tensorrt_plan" is not supported; .* \(platform: "onnxruntime_onnx"\)\.$/,
    );
    assert.match(failure('backend: "python"').message, /the backend "python" is not supported/);
    assert.equal(
      failure('platform: "ensemble"').message,
      'config.pbtxt: ensemble_scheduling is missing; the platform is "ensemble".',
    );
    assert.equal(readTritonConfig('backend: "onnxruntime"', 'm').config.kind, 'onnx');
  });

  it('throw nothing but errors of the house, and give a legal configuration otherwise', () => {
    const names: string[] = [];
    const collect = (type: FieldType): void => {
      if (typeof type === 'string') return;
      if (type.kind === 'enum') names.push(...type.names);
      else for (const [name, field] of Object.entries(type.fields)) names.push(name) && collect(field.type);
    };
    collect(modelConfigSchema);
    const value = fc.oneof(
      fc.integer().map(String),
      fc.constantFrom('-1', '0', '1', '4', 'true', '"a"', '"1"', ...names),
    );
    const { fields } = fc.letrec<{ fields: string }>((tie) => ({
      fields: fc
        .array(
          fc.tuple(
            fc.constantFrom(...names, 'key', 'value'),
            fc.oneof(
              { depthSize: 'small' },
              value.map((text) => `: ${text} `),
              tie('fields').map((text) => ` { ${text}} `),
            ),
          ),
          { maxLength: 4 },
        )
        .map((pairs) => pairs.map((pair) => pair.join('')).join('')),
    }));
    fc.assert(
      fc.property(fields, (text) => {
        try {
          const { model } = readTritonConfig(text, 'm');
          assert.deepEqual(parseModelConfig(JSON.parse(JSON.stringify(model))), model);
        } catch (error) {
          assert.ok(error instanceof HotpathError, String(error));
        }
      }),
      { numRuns: Number(process.env.HOTPATH_FUZZ_RUNS ?? 500) },
    );
  });
});

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
