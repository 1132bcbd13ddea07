import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { parseModelConfig } from '../model-config.ts';
import { modelConfigSchema } from './model-config-schema.ts';
import type { FieldType } from './schema-types.ts';
import { failure, onnx } from './testing/refused-config.ts';
import { readTritonConfig } from './to-model-config.ts';

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
