/** Models with several inputs, state and integer tokens: a voice detector fed chunk by chunk, and a file-type classifier. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { withModels } from './support/dropped-models.ts';
import { fixture, withoutFixtures } from './support/fixtures.ts';
import { get, post } from './support/serve.ts';
import { ownBytes, postMsgpack } from './support/wire.ts';

const skip = withoutFixtures;

/** 16-bit mono samples of a WAV file as -1 .. 1. */
async function readSamples(path: string): Promise<Float32Array> {
  const bytes = await readFile(fixture(path));
  const start = bytes.indexOf('data') + 8;
  const samples = new Float32Array((bytes.length - start) >> 1);
  for (let i = 0; i < samples.length; i++) samples[i] = bytes.readInt16LE(start + 2 * i) / 32768;
  return samples;
}

/** The model wants the last 64 samples of the chunk before in front of each 512. */
function chunkOf(samples: Float32Array, index: number): number[] {
  const start = index * 512;
  const before = index === 0 ? new Float32Array(64) : samples.subarray(start - 64, start);
  return [...before, ...samples.subarray(start, start + 512)];
}

const freshState = { shape: [2, 1, 128], data: new Array(256).fill(0) };

test('Silero hears speech when its state is fed back, and silence as silence', { skip }, async () => {
  const samples = await readSamples('audio/silero_v6/test.wav');
  await withModels({ silero: 'audio/silero_v6/silero_vad.onnx' }, async (_, urlOf) => {
    const url = `${urlOf('silero')}/predict`;
    const heard: number[] = [];
    let state: unknown = freshState;
    for (let index = 0; index < 8; index++) {
      const { status, body } = await post(url, { inputs: { input: [chunkOf(samples, index)], state, sr: 16000 } });
      assert.equal(status, 200, JSON.stringify(body));
      const { output, stateN } = body.outputs;
      assert.deepEqual(
        [output.shape, stateN.shape],
        [
          [1, 1],
          [2, 1, 128],
        ],
      );
      heard.push(output.data[0]);
      state = { shape: stateN.shape, data: stateN.data };
    }
    assert.ok(
      heard.slice(3).every((probability) => probability > 0.95),
      heard.join(' '),
    );

    // The same chunk without its past is less sure: the state really travels.
    const forgetful = await post(url, { inputs: { input: [chunkOf(samples, 1)], state: freshState, sr: 16000 } });
    assert.ok(Math.abs(forgetful.body.outputs.output.data[0] - heard[1]!) > 0.01);
    const silence = await post(url, { inputs: { input: [new Array(576).fill(0)], state: freshState, sr: 16000 } });
    assert.ok(silence.body.outputs.output.data[0] < 0.1);
  });
});

test('Silero’s state travels as MessagePack bytes with the same answer', { skip }, async () => {
  const samples = await readSamples('audio/silero_v6/test.wav');
  await withModels({ silero: 'audio/silero_v6/silero_vad.onnx' }, async (_, urlOf) => {
    const url = `${urlOf('silero')}/predict`;
    const json = await post(url, { inputs: { input: [chunkOf(samples, 0)], state: freshState, sr: '16000' } });
    const input = { shape: [1, 576], data: new Uint8Array(Float32Array.from(chunkOf(samples, 0)).buffer) };
    const state = { shape: [2, 1, 128], data: new Uint8Array(1024) };
    const { body } = await postMsgpack(url, { inputs: { input, state, sr: 16000n } });
    for (const name of ['output', 'stateN']) {
      const values = new Float32Array(ownBytes(body.outputs[name].data));
      assert.deepEqual([...values], json.body.outputs[name].data.map(Math.fround));
    }
  });
});

test('Silero is served unbatched, and says that its state is why', { skip }, async () => {
  await withModels({ silero: 'audio/silero_v6/silero_vad.onnx' }, async (server, urlOf) => {
    await post(`${server.adminUrl}/admin/models/silero/load`, {});
    const { body } = await get(urlOf('silero'));
    assert.equal(body.state, 'ready');
    assert.equal(body.loaded.batching.enabled, false);
    assert.match(body.loaded.batching.reason, /"state".*\[2, \?, 128\]/);
    assert.deepEqual(
      body.loaded.signature.inputs.map(({ name, datatype, shape }: never) => [name, datatype, shape]),
      [
        ['input', 'float32', [-1, -1]],
        ['state', 'float32', [2, -1, 128]],
        ['sr', 'int64', []],
      ],
    );
  });
});

const files = {
  python:
    'import os\nimport sys\n\ndef main():\n    print("hello", sys.argv)\n    for name in os.listdir("."):\n        print(name)\n\nif __name__ == "__main__":\n    main()',
  html: '<!DOCTYPE html>\n<html><head><title>Hi</title></head><body><p>Hello <b>you</b></p><a href="/x">x</a></body></html>',
  json: JSON.stringify({ name: 'hotpath', dependencies: { fastify: '5.1.0' }, list: [1, 2, true, null] }, undefined, 2),
};

/** The first 2048 bytes, padded with 256. */
function tokensOf(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return Array.from({ length: 2048 }, (_, index) => bytes[index] ?? 256);
}

test('magika’s integer tokens are batched, and name the type of each file', { skip }, async () => {
  const config = JSON.parse(await readFile(fixture('text/magika_begonly_v2_1/config.min.json'), 'utf8'));
  await withModels({ magika: 'text/magika_begonly_v2_1/model.onnx' }, async (server, urlOf) => {
    const instances = Object.values(files).map(tokensOf);
    const { status, body } = await post(`${server.url}/api/v1/predict/batch`, { instances });
    assert.equal(status, 200, JSON.stringify(body));
    const named = (body.predictions as number[][]).map((scores) => {
      return config.target_labels_space[scores.indexOf(Math.max(...scores))];
    });
    assert.deepEqual(named, Object.keys(files));
    for (const [index, features] of instances.entries()) {
      const solo = await post(`${server.url}/api/v1/predict`, { features, options: { batching: 'off' } });
      for (const [place, score] of (solo.body.prediction as number[]).entries()) {
        assert.ok(Math.abs(score - body.predictions[index][place]) < 1e-5);
      }
    }
    const { body: model } = await get(urlOf('magika'));
    assert.equal(model.loaded.batching.enabled, true);
    const half = await post(`${server.url}/api/v1/predict`, { features: [1.5, ...instances[0]!.slice(1)] });
    assert.deepEqual([half.status, half.body.error.details.field], [400, 'features[0]']);
  });
});
