/** Ensembles of a Triton repository and pipelines in model.json, over models that are really run. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { get, modelFolder, post, serve, type TestServer } from './support/serve.ts';
import { inferFloats, put, storeOperators } from './support/triton-models.ts';

const step = (model: string, inputs: Record<string, string>, outputs: Record<string, string>) => {
  const map = (name: string, entries: Record<string, string>) =>
    Object.entries(entries)
      .map(([key, value]) => `${name} { key: "${key}" value: "${value}" }`)
      .join(' ');
  return `{ model_name: "${model}" model_version: -1 ${map('input_map', inputs)} ${map('output_map', outputs)} }`;
};

const ensemble = (steps: readonly string[], dims = 2) => `platform: "ensemble" max_batch_size: 8
input { name: "IN" data_type: TYPE_FP32 dims: ${dims} }
output [ { name: "OUT" data_type: TYPE_FP32 dims: 2 }, { name: "NEGATIVE" data_type: TYPE_FP32 dims: 2 } ]
ensemble_scheduling { step [ ${steps.join(', ')} ] }`;

const steps = [
  step('add', { a: 'negative', b: 'twice' }, { c: 'OUT' }),
  step('negate', { x: 'IN' }, { y: 'negative' }),
  step('add', { a: 'IN', b: 'IN' }, { c: 'twice' }),
  step('negate', { x: 'twice' }, { y: 'NEGATIVE' }),
];

describe('an ensemble', () => {
  let server: TestServer;
  const reasonOf = async (model: string) =>
    (await inferFloats(server, model, { any: { shape: [1], data: [1] } })).error;

  before(async () => {
    const models = await modelFolder();
    await storeOperators(models, 'add', {
      nodes: [['Add', ['a', 'b'], ['c']]],
      inputs: { a: ['rows', 2], b: ['rows', 2] },
      outputs: { c: ['rows', 2] },
    });
    await storeOperators(
      models,
      'negate',
      { nodes: [['Neg', ['x'], ['y']]], inputs: { x: ['rows', 2] }, outputs: { y: ['rows', 2] } },
      'max_batch_size: 4 input { name: "x" data_type: TYPE_FP32 dims: 2 } output { name: "y" data_type: TYPE_FP32 dims: 2 }',
    );
    await put(models, 'all/config.pbtxt', ensemble(steps));
    await put(models, 'wide/config.pbtxt', ensemble(steps, 3));
    await put(models, 'lost/config.pbtxt', ensemble([step('nobody', { x: 'IN' }, { y: 'OUT' })]));
    await put(models, 'self/config.pbtxt', ensemble([step('mirror', { x: 'IN' }, { y: 'OUT' })]));
    await put(models, 'mirror/config.pbtxt', ensemble([step('self', { x: 'IN' }, { y: 'OUT' })]));
    await put(models, 'circle/config.pbtxt', ensemble([step('add', { a: 'IN', b: 'OUT' }, { c: 'OUT' })]));
    const pipeline = {
      steps: [
        { model: 'all', inputs: { IN: 'x' }, outputs: { OUT: 'same' } },
        { model: 'negate', version: '1', inputs: { x: 'same' }, outputs: { y: 'result' } },
      ],
    };
    await put(models, 'native/model.json', JSON.stringify({ pipeline }));
    server = await serve(models);
  });
  after(() => server.stop());

  it('hands tensors through its models, in its own batches and shapes', async () => {
    const data = Array.from({ length: 12 }, (_, index) => index / 2);
    // Six rows are more than one model takes in a run.
    const { status, outputs, error } = await inferFloats(server, 'all', { IN: { shape: [6, 2], data } });
    assert.equal(status, 200, error ?? '');
    assert.deepEqual(outputs.OUT.data, data);
    assert.deepEqual(
      outputs.NEGATIVE.data,
      data.map((value) => -2 * value),
    );
    assert.deepEqual(
      [outputs.OUT.shape, Object.keys(outputs)],
      [
        [6, 2],
        ['OUT', 'NEGATIVE'],
      ],
    );
  });

  it('may be a step itself, and be written in model.json', async () => {
    const { outputs, error } = await inferFloats(server, 'native', { x: { shape: [1, 2], data: [1, -2] } });
    assert.deepEqual(outputs.result?.data, [-1, 2], error ?? '');
    const { body } = await get(`${server.url}/v2/models/native`);
    assert.deepEqual([body.inputs, body.outputs].flat(), [
      { name: 'x', datatype: 'FP32', shape: [-1, 2] },
      { name: 'result', datatype: 'FP32', shape: [-1, 2] },
    ]);
    const answer = await post(`${server.url}/api/v1/models/native/predict`, { inputs: { x: [[3, 4]] } });
    assert.deepEqual([answer.status, answer.body.outputs.result.data], [200, [-3, -4]]);
  });

  it('counts its requests in its models', async () => {
    const stats = async (model: string) => (await get(`${server.url}/v2/models/${model}/stats`)).body.model_stats[0];
    const before = await stats('negate');
    const sent = Array.from({ length: 32 }, (_, index) =>
      inferFloats(server, 'all', { IN: { shape: [1, 2], data: [index, -index] } }),
    );
    for (const [index, { outputs }] of (await Promise.all(sent)).entries()) {
      assert.deepEqual(outputs.OUT.data, [index, -index || 0]);
    }
    const after = await stats('negate');
    // Two of the steps are this model.
    assert.equal(after.inference_count - before.inference_count, 2 * 32);
    assert.ok(after.execution_count - before.execution_count <= 2 * 32);
    const { loaded } = (await get(`${server.url}/api/v1/models/all`)).body;
    assert.equal(loaded.batching.reason, 'A pipeline: each of its models joins requests by itself.');
  });

  it('is refused with a reason that names the step, or the declared and the real shape', async () => {
    assert.match((await reasonOf('lost'))!, /Step 1 of the pipeline, "nobody": There is no model "nobody"\./);
    assert.match(
      (await reasonOf('self'))!,
      /The pipeline contains itself: (self → mirror → self|mirror → self → mirror)\./,
    );
    assert.match((await reasonOf('circle'))!, /wait for each other in a circle: 1 \("add"\)/);
    assert.match(
      (await reasonOf('wide'))!,
      /config\.pbtxt gives the input "IN" the shape \[\?, 3\], but in the model it is \[\?, 2\]/,
    );
    const wrong = await inferFloats(server, 'all', { IN: { shape: [1, 3], data: [1, 2, 3] } });
    assert.deepEqual([wrong.status, wrong.error!.includes('IN')], [400, true]);
  });

  it('takes over changed steps by a reload, while its models stay', async () => {
    await inferFloats(server, 'native', { x: { shape: [1, 2], data: [1, -2] } });
    const pipeline = { steps: [{ model: 'negate', inputs: { x: 'in' }, outputs: { y: 'out' } }] };
    await writeFile(join(server.models, 'native/model.json'), JSON.stringify({ pipeline }));
    assert.equal((await post(`${server.adminUrl}/admin/models/native/reload`, {})).status, 200);
    const { outputs, error } = await inferFloats(server, 'native', { in: { shape: [1, 2], data: [1, -2] } });
    assert.deepEqual(outputs.out?.data, [-1, 2], error ?? '');
  });

  it('is served where only one model may be loaded at a time', async () => {
    const narrow = await serve(server.models, { maxLoadedModels: '1' });
    try {
      const { outputs, error } = await inferFloats(narrow, 'all', { IN: { shape: [1, 2], data: [1, -2] } });
      assert.deepEqual(outputs.OUT?.data, [1, -2], error ?? '');
    } finally {
      await narrow.drain();
      await narrow.close();
    }
  });

  it('fails with the message of the step that failed', async () => {
    await post(`${server.adminUrl}/admin/models/negate/unload?hold=true`, {});
    const { status, error } = await inferFloats(server, 'all', { IN: { shape: [1, 2], data: [1, 2] } });
    assert.equal(status, 503);
    assert.match(error!, /^Step "negate" of "all": Model "negate" version "1" was unloaded/);
    await post(`${server.adminUrl}/admin/models/negate/load`, {});
    assert.equal((await inferFloats(server, 'all', { IN: { shape: [1, 2], data: [1, 2] } })).status, 200);
  });
});
