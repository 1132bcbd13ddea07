/** Picture models of other people, dropped into the folder: their answers on their own pictures, in every encoding. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { readGolden, readNumbers, withModels } from './support/dropped-models.ts';
import { fixture, withoutFixtures } from './support/fixtures.ts';
import { get, post } from './support/serve.ts';
import { ownBytes, postMsgpack, postRaw } from './support/wire.ts';

const skip = withoutFixtures;

function indexOfMax(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}

test('SqueezeNet with float16 tensors sees a tabby, with the same bits in JSON, MessagePack and raw bytes', {
  skip,
}, async () => {
  const pixels = await readNumbers('classify/winml_media/kitten_224.csv');
  const names = (await readFile(fixture('classify/squeezenet_fp16/Labels.txt'), 'utf8')).split('\n');
  await withModels({ squeezenet: 'classify/squeezenet_fp16/SqueezeNet_fp16.onnx' }, async (_, urlOf) => {
    const url = `${urlOf('squeezenet')}/predict`;
    const shape = [1, 3, 224, 224];
    const halves = Float16Array.from(pixels);
    const [json, msgpack, raw] = await Promise.all([
      post(url, { inputs: { data_0: { shape, data: pixels } } }),
      postMsgpack(url, { inputs: { data_0: { shape, data: new Uint8Array(halves.buffer) } } }),
      postRaw(url, halves),
    ]);
    assert.deepEqual([json.status, msgpack.status, raw.status], [200, 200, 200]);

    const bits = new Uint16Array(raw.bytes.buffer);
    const scores = new Float16Array(bits.buffer);
    const best = indexOfMax(scores);
    assert.match(names[best]!, /^281,tabby/);
    assert.ok(Math.abs(scores[best]! - 0.93) < 0.01, `tabby ${scores[best]}`);

    assert.equal(raw.headers.get('x-tensor-datatype'), 'float16');
    assert.equal(raw.headers.get('x-tensor-shape'), '1,1000,1,1');
    const packed = msgpack.body.outputs.softmaxout_1;
    assert.deepEqual([packed.datatype, packed.shape], ['float16', [1, 1000, 1, 1]]);
    assert.deepEqual(new Uint16Array(ownBytes(packed.data)), bits);
    const text = json.body.outputs.softmaxout_1;
    assert.deepEqual([text.datatype, text.shape], ['float16', [1, 1000, 1, 1]]);
    assert.deepEqual(new Uint16Array(Float16Array.from(text.data as number[]).buffer), bits);
  });
});

test('the flat 150528 features of the short form are the same picture', { skip }, async () => {
  const pixels = await readNumbers('classify/winml_media/kitten_224.csv');
  await withModels({ squeezenet: 'classify/squeezenet_fp16/SqueezeNet_fp16.onnx' }, async (server) => {
    const { status, body } = await post(`${server.url}/api/v1/predict`, { features: pixels });
    assert.equal(status, 200, JSON.stringify(body));
    // One row of [1, 1000, 1, 1].
    const scores = (body.prediction as number[][][]).flat(2);
    assert.deepEqual([scores.length, indexOfMax(scores)], [1000, 281]);
  });
});

test('MNIST gives the golden scores of its test data set', { skip }, async () => {
  const input = await readGolden('classify/mnist/test_data_set_0/input_0.pb');
  const golden = await readGolden('classify/mnist/test_data_set_0/output_0.pb');
  await withModels({ mnist: 'classify/mnist/mnist.onnx' }, async (_, urlOf) => {
    const { body: model } = await post(`${urlOf('mnist')}/predict`, {
      inputs: { Input3: { shape: input.shape, datatype: 'float32', data: [...input.data] } },
    });
    const scores = model.outputs.Plus214_Output_0;
    assert.deepEqual(scores.shape, golden.shape);
    for (const [digit, score] of golden.data.entries()) {
      assert.ok(Math.abs(scores.data[digit] - score) <= 1e-4 * Math.max(1, Math.abs(score)), `score of ${digit}`);
    }
    const raw = await postRaw(`${urlOf('mnist')}/predict`, input.data);
    assert.deepEqual([...new Float32Array(raw.bytes.buffer)], scores.data.map(Math.fround));
  });
});

test('a model with a fixed batch of one says so, and shows its signature', { skip }, async () => {
  await withModels({ mnist: 'classify/mnist/mnist.onnx' }, async (_, urlOf) => {
    await post(`${urlOf('mnist')}/predict`, { features: new Array(784).fill(0) });
    const { body } = await get(urlOf('mnist'));
    assert.deepEqual(body.loaded.signature, {
      inputs: [{ name: 'Input3', datatype: 'float32', shape: [1, 1, 28, 28] }],
      outputs: [{ name: 'Plus214_Output_0', datatype: 'float32', shape: [1, 10] }],
      skippedOutputs: [],
    });
    assert.equal(body.loaded.batching.enabled, false);
    assert.match(body.loaded.batching.reason, /"Input3".*first axis is not variable/);
  });
});
