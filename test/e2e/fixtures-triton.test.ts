/** Triton's own example repository, served as it stands: its ONNX models answer, the others say what they would need. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readTritonConfig } from '../../src/config/triton/to-model-config.ts';
import { checkDeclared } from '../../src/core/declared/check-declared.ts';
import { createOnnxEngine } from '../../src/engines/onnx/onnx-engine.ts';
import { fixture, withoutFixtures } from './support/fixtures.ts';
import { get, modelFolder, post, serve, type TestServer } from './support/serve.ts';

const repository = fixture('triton/model_repository');
const sixteen = (make: (index: number) => number) => Array.from({ length: 16 }, (_, index) => make(index));

/** Inputs, what they are answered with; every model of the repository that has a file. */
const answers: Record<string, { inputs: Record<string, unknown>; outputs: Record<string, unknown> }> = {
  simple: {
    inputs: { INPUT0: [sixteen((i) => i)], INPUT1: [sixteen(() => 1)] },
    outputs: { OUTPUT0: sixteen((i) => i + 1), OUTPUT1: sixteen((i) => i - 1) },
  },
  simple_int8: {
    inputs: { INPUT0: [sixteen((i) => -i)], INPUT1: [sixteen(() => 2)] },
    outputs: { OUTPUT0: sixteen((i) => 2 - i), OUTPUT1: sixteen((i) => -i - 2) },
  },
  simple_string: {
    inputs: { INPUT0: [sixteen((i) => i).map(String)], INPUT1: [sixteen(() => 3).map(String)] },
    outputs: {
      OUTPUT0: sixteen((i) => i + 3).map(String),
      OUTPUT1: sixteen((i) => i - 3).map(String),
    },
  },
  onnx_float32_int32_int32: {
    inputs: { INPUT0: [sixteen((i) => i)], INPUT1: [sixteen(() => 1)] },
    outputs: { OUTPUT0: sixteen((i) => i + 1), OUTPUT1: sixteen((i) => i - 1) },
  },
  add_with_initializer: {
    inputs: { INPUT: Array.from({ length: 5 }, () => [0, 1, 2, 3, 4]) },
    outputs: { OUTPUT: Array.from({ length: 25 }, (_, index) => (index % 5) + 1) },
  },
};

/** What Triton's sequence clients send and print: each sequence adds 1 to its first value, and the second model its id to the last. */
const sequenceValues = [0, 11, 7, 5, 3, 2, 0, 1];

async function copyRepository(target: string): Promise<string[]> {
  const withFile: string[] = [];
  for (const entry of await readdir(repository, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name).slice(repository.length + 1);
    if (entry.name === 'model.onnx') withFile.push(path.split('/')[0]!);
    await mkdir(dirname(join(target, path)), { recursive: true });
    await copyFile(join(repository, path), join(target, path));
  }
  return withFile.sort();
}

describe('the example repository of Triton', { skip: withoutFixtures }, () => {
  let server: TestServer;
  let withFile: string[];
  const urlOf = (model: string) => `${server.url}/api/v1/models/${model}`;

  before(async () => {
    const models = await modelFolder();
    withFile = await copyRepository(models);
    server = await serve(models);
  });
  after(() => server.stop());

  const step = async (model: string, value: number, sequence: Record<string, unknown> | undefined) => {
    const inputs = [{ name: 'INPUT', shape: [1, 1], datatype: 'INT32', data: [value] }];
    return post(`${server.url}/v2/models/${model}/infer`, { inputs, ...(sequence && { parameters: sequence }) });
  };

  it('is answered from by every model that has a file', async () => {
    assert.deepEqual([...Object.keys(answers), 'simple_dyna_sequence', 'simple_sequence'].sort(), withFile.sort());
    for (const [model, { inputs, outputs }] of Object.entries(answers)) {
      const { status, body } = await post(`${urlOf(model)}/predict`, { inputs });
      assert.equal(status, 200, `${model}: ${JSON.stringify(body)}`);
      for (const [name, data] of Object.entries(outputs))
        assert.deepEqual(body.outputs[name].data, data, `${model}.${name}`);
    }
  });

  it('answers sequences as the examples of Triton do, two at a time and in any mixture', async () => {
    for (const [model, ids] of [
      ['simple_sequence', [1000, 1001]],
      ['simple_sequence', ['one', 'two']],
      ['simple_dyna_sequence', [2000, 2001]],
    ] as const) {
      const sent = ids.map(async (id, which) => {
        const results: number[] = [];
        for (const [index, value] of sequenceValues.entries()) {
          const [sequence_start, sequence_end] = [index === 0, index === sequenceValues.length - 1];
          const signed = which === 0 ? value : -value;
          const { status, body } = await step(model, signed, { sequence_id: id, sequence_start, sequence_end });
          assert.equal(status, 200, JSON.stringify(body));
          results.push(body.outputs[0].data[0]);
        }
        return results;
      });
      const expected = ids.map((id, which) =>
        sequenceValues.map((value, index) => {
          const atEnd = model === 'simple_dyna_sequence' && index === sequenceValues.length - 1 ? Number(id) : 0;
          return (which === 0 ? value : -value) + (index === 0 ? 1 : 0) + atEnd;
        }),
      );
      assert.deepEqual(await Promise.all(sent), expected, model);
    }
  });

  it('refuses requests to stateful models without an id, without a start, with more rows, or with the controls', async () => {
    const errorOf = async (sequence: Record<string, unknown> | undefined) => {
      const { status, body } = await step('simple_sequence', 1, sequence);
      assert.equal(status, 400);
      return body.error as string;
    };
    assert.match(await errorOf(undefined), /"simple_sequence" must specify a non-zero or non-empty correlation ID/);
    assert.match(await errorOf({ sequence_id: 0 }), /must specify a non-zero or non-empty correlation ID/);
    assert.match(
      await errorOf({ sequence_id: 77 }),
      /Request for sequence 77 .* must specify the START flag on the first request/,
    );
    const infer = (inputs: unknown, parameters: unknown) =>
      post(`${server.url}/v2/models/simple_sequence/infer`, { inputs, parameters });
    const start = { sequence_id: 5, sequence_start: true };
    const rows = await infer([{ name: 'INPUT', shape: [2, 1], datatype: 'INT32', data: [1, 2] }], start);
    assert.match(rows.body.error, /must specify batch-size 1/);
    const controls = ['INPUT', 'START'].map((name) => ({ name, shape: [1, 1], datatype: 'INT32', data: [1] }));
    assert.match((await infer(controls, start)).body.error, /Unknown input "START"; the model has: "INPUT"/);
    assert.match(
      (await step('simple_dyna_sequence', 1, { ...start, sequence_id: 'x' })).body.error,
      /must be a number/,
    );
  });

  it('shows neither the controls nor the states to clients', async () => {
    const { body } = await get(`${server.url}/v2/models/simple_dyna_sequence`);
    assert.deepEqual(body.inputs, [{ name: 'INPUT', datatype: 'INT32', shape: [-1, 1] }]);
  });

  it('joins requests up to max_batch_size, also those of different sequences', async () => {
    const batchingOf = async (model: string) => (await get(urlOf(model))).body.loaded.batching;
    assert.deepEqual(await batchingOf('simple'), { enabled: true, maxBatchSize: 8 });
    assert.deepEqual(await batchingOf('simple_sequence'), { enabled: true, maxBatchSize: 8 });
    assert.deepEqual(await batchingOf('simple_dyna_sequence'), { enabled: true, maxBatchSize: 8, maxDelayMs: 10 });
    const { enabled, maxBatchSize } = await batchingOf('add_with_initializer');
    assert.deepEqual([enabled, maxBatchSize], [false, 1]);
    const notes = server.log.filter((line) => line.includes('config.pbtxt: not everything'));
    assert.ok(notes.some((line) => line.includes('execute_delay_ms') && line.includes('simple_dyna_sequence')));
    assert.equal(new Set(notes).size, notes.length, 'a note is logged once');
  });

  it('says why a model of another platform or without its files cannot be had', async () => {
    for (const [model, reason] of [
      ['simple_identity', /the backend "python" is not supported; this server runs ONNX models/],
      ['densenet_onnx', /the label file "densenet_labels.txt" of the output "fc6_1" is absent/],
    ] as const) {
      const { status, body } = await post(`${urlOf(model)}/predict`, { inputs: {} });
      assert.deepEqual([status, body.error.code], [503, 'MODEL_FAILED']);
      assert.match(body.error.message, reason);
      assert.ok(!body.error.message.includes(server.models), body.error.message);
    }
  });

  it('has a row for each model, also for one that has no version', async () => {
    const rows = (await get(`${server.adminUrl}/admin/models`)).body.models;
    const { version, state, reason } = rows.find(({ name }: { name: string }) => name === 'densenet_onnx');
    assert.deepEqual([version, state], ['', 'failed']);
    assert.match(reason, /the label file "densenet_labels.txt" of the output "fc6_1" is absent/);
  });

  it('is what the models really have', async () => {
    const engine = createOnnxEngine({
      logger: { debug() {}, info() {}, warn() {}, error() {} },
      cacheDir: '',
      probeTimeoutMs: 30_000,
      onRestart() {},
    });
    try {
      for (const model of withFile) {
        const folder = join(repository, model);
        const { config } = readTritonConfig(await readFile(join(folder, 'config.pbtxt'), 'utf8'), model);
        const path = join(folder, '1/model.onnx');
        const spec = { name: model, version: '1', path, digest: path, executionProviders: ['cpu' as const] };
        const rest = { fallbackToCpu: false, instances: 1, intraOpThreads: 1, runTimeoutMs: 30_000 };
        const { signature } = await engine.probe({ ...spec, ...rest });
        assert.equal(checkDeclared(config, signature), undefined, model);
      }
    } finally {
      await engine.close();
    }
  });
});
