import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readTritonConfig } from './to-model-config.ts';

function declaredIn(text: string) {
  return readTritonConfig(text, 'm').config;
}

describe('what a config.pbtxt declares', () => {
  it('has the batch axis before the dims for clients, and the reshape for the model', () => {
    const tensor = 'name: "x" data_type: TYPE_FP16 dims: [-1, 4] reshape: { shape: [-1, 2, 2] }';
    const [batched] = declaredIn(`max_batch_size: 8 input { ${tensor} }`).inputs;
    assert.deepEqual(batched, {
      name: 'x',
      datatype: 'float16',
      dims: [-1, 4],
      reshape: [-1, 2, 2],
      clientShape: [-1, -1, 4],
      modelShape: [-1, -1, 2, 2],
      optional: false,
    });
    const [whole] = declaredIn(`input { ${tensor} }`).inputs;
    assert.deepEqual(
      [whole!.clientShape, whole!.modelShape],
      [
        [-1, 4],
        [-1, 2, 2],
      ],
    );
    const [scalar] = declaredIn('max_batch_size: 1 input { name: "x" dims: 1 reshape { } }').inputs;
    assert.deepEqual([scalar!.clientShape, scalar!.modelShape], [[-1, 1], [-1]]);
    const [open] = declaredIn('max_batch_size: 1 output { name: "y" }').outputs;
    assert.deepEqual([open!.datatype, open!.dims, open!.modelShape], [undefined, undefined, undefined]);
  });

  it('has sequences with their controls and states', () => {
    const { sequence } = declaredIn(`max_batch_size: 4 sequence_batching {
      max_sequence_idle_microseconds: 5000000
      oldest { max_candidate_sequences: 16 max_queue_delay_microseconds: 100 }
      control_input [
        { name: "START" control { kind: CONTROL_SEQUENCE_START fp32_false_true: [0, 1] } },
        { name: "END" control { kind: CONTROL_SEQUENCE_END bool_false_true: [false, true] } },
        { name: "ID" control { kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 } }
      ]
      state { input_name: "h0" output_name: "h1" data_type: TYPE_FP32 dims: [2, 128] initial_state { data_file: "h" } }
    }`);
    assert.deepEqual(sequence, {
      strategy: 'oldest',
      maxIdleMicroseconds: 5_000_000,
      maxSequences: 16,
      maxDelayMicroseconds: 100,
      controls: [
        { input: 'START', kind: 'start', datatype: 'float32', falseTrue: [0, 1] },
        { input: 'END', kind: 'end', datatype: 'bool', falseTrue: [0, 1] },
        { input: 'ID', kind: 'correlation-id', datatype: 'uint64' },
      ],
      states: [{ input: 'h0', output: 'h1', datatype: 'float32', dims: [2, 128], initialFile: 'h' }],
    });
    assert.equal(declaredIn('sequence_batching { }').sequence!.maxIdleMicroseconds, 1_000_000);
  });

  it('has the steps of an ensemble', () => {
    const { kind, ensemble } = declaredIn(`platform: "ensemble" ensemble_scheduling { step [
      { model_name: "pre" model_version: -1 input_map { key: "raw" value: "IMAGE" } output_map { key: "out" value: "t" } },
      { model_name: "net" model_version: 2 input_map { key: "x" value: "t" } output_map { key: "y" value: "CLASS" } }
    ] }`);
    assert.equal(kind, 'ensemble');
    assert.deepEqual(ensemble, [
      { model: 'pre', version: undefined, inputs: { raw: 'IMAGE' }, outputs: { out: 't' } },
      { model: 'net', version: '2', inputs: { x: 't' }, outputs: { y: 'CLASS' } },
    ]);
  });

  it('has warm-up requests, parameters, priorities, and the switches', () => {
    const config = declaredIn(`
      default_model_filename: "net.onnx" response_cache { enable: true } model_transaction_policy { decoupled: true }
      dynamic_batching { priority_levels: 3 default_priority_level: 2 }
      parameters { key: "a" value { string_value: "1" } } parameters { key: "a" value { string_value: "2" } }
      model_warmup [ { name: "w" batch_size: 4 count: 2
        inputs { key: "x" value { data_type: TYPE_FP32 dims: [3] random_data: true } }
        inputs { key: "s" value { data_type: TYPE_STRING dims: [1] input_data_file: "words" } } } ]`);
    const { modelFile, responseCache, decoupled, priorities, parameters } = config;
    assert.deepEqual(
      { modelFile, responseCache, decoupled, priorities, parameters },
      {
        modelFile: 'net.onnx',
        responseCache: true,
        decoupled: true,
        priorities: { levels: 3, defaultLevel: 2 },
        parameters: { a: '2' },
      },
    );
    assert.deepEqual(config.warmup, [
      {
        name: 'w',
        batchSize: 4,
        count: 2,
        inputs: [
          { name: 'x', datatype: 'float32', dims: [3], data: 'random' },
          { name: 's', datatype: 'string', dims: [1], data: 'file', file: 'words' },
        ],
      },
    ]);
  });
});
