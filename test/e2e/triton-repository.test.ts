/** A model of our own in Triton's layout: settings and labels take effect, changes are reloaded, mistakes keep the old state. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { storeModel } from '../../src/training/store-model.ts';
import { trainIris } from '../../src/training/train-iris.ts';
import { get, modelFolder, post, serve, type TestServer } from './support/serve.ts';

const config = (maxBatchSize: number) => `# trained by the test
name: "flowers"
platform: "onnxruntime_onnx"
max_batch_size: ${maxBatchSize}
version_policy: { all { } }
input [ { name: "features" data_type: TYPE_FP32 dims: [ 4 ] } ]
output [
  { name: "label" data_type: TYPE_INT64 dims: [ 1 ] reshape { } label_filename: "labels.txt" },
  { name: "probabilities" data_type: TYPE_FP32 dims: [ 3 ] }
]
dynamic_batching { max_queue_delay_microseconds: 700 default_queue_policy { default_timeout_microseconds: 5000000 } }
`;

const setosa = { features: [5.1, 3.5, 1.4, 0.2] };

describe('a model with config.pbtxt', () => {
  let server: TestServer;
  const put = (file: string, text: string) => writeFile(join(server.models, 'flowers', file), text);
  const urlOf = (rest = '') => `${server.url}/api/v1/models/flowers${rest}`;
  const reload = () => post(`${server.adminUrl}/admin/models/flowers/reload`, {});

  before(async () => {
    const models = await modelFolder();
    const { model } = trainIris({ seed: 42 });
    for (const version of ['1', '2']) await storeModel(models, 'flowers', version, model);
    await writeFile(join(models, 'flowers/config.pbtxt'), config(16));
    await writeFile(join(models, 'flowers/labels.txt'), 'Borsten-Schwertlilie\r\nverschiedenfarbig\r\nvirginisch\r\n');
    server = await serve(models);
  });
  after(() => server.stop());

  it('answers with the names of its label file, in every version of its policy', async () => {
    for (const version of ['1', '2']) {
      const { status, body } = await post(urlOf(`/versions/${version}/predict`), setosa);
      assert.deepEqual([status, body.prediction, body.label, body.version], [200, 0, 'Borsten-Schwertlilie', version]);
    }
  });

  it('has the batch size, the delay and the deadline of the file', async () => {
    await post(urlOf('/predict'), setosa);
    const { loaded } = (await get(urlOf())).body;
    assert.deepEqual(loaded.batching, { enabled: true, maxBatchSize: 16, maxDelayMs: 0.7 });
    assert.equal(loaded.sloMs, 5000);
  });

  it('takes over a new configuration by a reload, and keeps the old one when the new one is wrong', async () => {
    await post(urlOf('/predict'), setosa);
    await put('config.pbtxt', config(8).replace('max_batch_size: 8', 'max_batch_size: eight'));
    const refused = await reload();
    assert.equal(refused.body.error.code, 'MODEL_FAILED');
    assert.equal(
      refused.body.error.message,
      'Model "flowers" could not be reloaded: config.pbtxt, line 4, column 17: max_batch_size must be a whole number within 32 bits, not eight.',
    );
    assert.equal((await get(urlOf())).body.loaded.batching.maxBatchSize, 16);
    await put('config.pbtxt', config(8));
    await put('labels.txt', 'a\nb\nc');
    assert.equal((await reload()).status, 200);
    assert.equal((await get(urlOf())).body.loaded.batching.maxBatchSize, 8);
    assert.equal((await post(urlOf('/predict'), setosa)).body.label, 'a');
  });
});
