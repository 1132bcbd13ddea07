/** Triton's own example repository, served as it stands: its ONNX models answer, the others say what they would need. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { checkDeclared } from '../../src/config/triton/check-declared.ts';
import { readTritonConfig } from '../../src/config/triton/to-model-config.ts';
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
  // A sequence begins with its input plus one.
  simple_sequence: { inputs: { INPUT: [[5]], START: [[1]], READY: [[1]] }, outputs: { OUTPUT: [6] } },
  simple_dyna_sequence: {
    inputs: { INPUT: [[5]], START: [[1]], END: [[0]], READY: [[1]], CORRID: [[7]] },
    outputs: { OUTPUT: [6] },
  },
};

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

  it('is answered from by every model that has a file', async () => {
    assert.deepEqual(Object.keys(answers).sort(), withFile);
    for (const [model, { inputs, outputs }] of Object.entries(answers)) {
      const { status, body } = await post(`${urlOf(model)}/predict`, { inputs });
      assert.equal(status, 200, `${model}: ${JSON.stringify(body)}`);
      for (const [name, data] of Object.entries(outputs))
        assert.deepEqual(body.outputs[name].data, data, `${model}.${name}`);
    }
  });

  it('joins requests up to max_batch_size, and never those of stateful models', async () => {
    const batchingOf = async (model: string) => (await get(urlOf(model))).body.loaded.batching;
    assert.deepEqual(await batchingOf('simple'), { enabled: true, maxBatchSize: 8 });
    for (const model of ['simple_sequence', 'simple_dyna_sequence', 'add_with_initializer']) {
      const { enabled, maxBatchSize } = await batchingOf(model);
      assert.deepEqual([enabled, maxBatchSize], [false, 1], model);
    }
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
