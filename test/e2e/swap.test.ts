/** Models change while requests run: swaps, unloads, evictions and drains lose nothing. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { get, modelFolder, post, serve, storeIris } from './support/serve.ts';

const setosa = { features: [5.1, 3.5, 1.4, 0.2] };

async function underLoad(url: string, act: () => Promise<void>): Promise<number> {
  let stopped = false;
  let answers = 0;
  async function client(): Promise<void> {
    while (!stopped) {
      const { status, body } = await post(`${url}/api/v1/predict`, { ...setosa, model: 'iris' });
      assert.deepEqual([status, body.label], [200, 'setosa'], JSON.stringify(body));
      answers++;
    }
  }
  const clients = Promise.all(Array.from({ length: 8 }, client));
  try {
    await act();
  } finally {
    stopped = true;
  }
  await clients;
  return answers;
}

test('a reload under load swaps to the new version without a failed request', async () => {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models);
  try {
    const answers = await underLoad(server.url, async () => {
      for (const version of ['2', '3', '4']) {
        await storeIris(models, version, Number(version));
        const { status } = await post(`${server.adminUrl}/admin/models/iris/reload`, {});
        assert.equal(status, 200);
      }
    });
    assert.ok(answers > 10);
    const { body } = await post(`${server.url}/api/v1/predict`, setosa);
    assert.equal(body.version, '4');
  } finally {
    await server.stop();
  }
});

test('a model unloaded under load comes back with the next request', async () => {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models);
  try {
    await underLoad(server.url, async () => {
      for (let round = 0; round < 3; round++) {
        const { status } = await post(`${server.adminUrl}/admin/models/iris/unload`, {});
        assert.equal(status, 200);
      }
    });
  } finally {
    await server.stop();
  }
});

test('with watch on, a dropped folder is served and a broken version leaves the old one serving', async () => {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models, { watch: 'true' });
  try {
    await storeIris(models, '2', 7);
    while ((await post(`${server.url}/api/v1/predict`, setosa)).body.version !== '2');
    await storeIris(models, '3', 7);
    await writeFile(join(models, 'iris/3/model.onnx'), 'not a model');
    const tookOver = (line: string) => line.includes('not taken over') || line.includes('"version":"3"');
    while (!server.log.some(tookOver)) await turn();
    assert.equal((await post(`${server.url}/api/v1/predict`, setosa)).status, 200);
  } finally {
    await server.stop();
  }
});

test('requests accepted before SIGTERM’s drain are answered, and readiness turns off first', async () => {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models, { shutdownDelayMs: '300' });
  assert.equal((await get(`${server.url}/health/ready`)).status, 200);
  const drained = server.drain();
  assert.equal((await fetch(`${server.url}/health/ready`)).status, 503);
  const late = await Promise.all(Array.from({ length: 50 }, () => post(`${server.url}/api/v1/predict`, setosa)));
  assert.ok(late.every(({ status, body }) => status === 200 && body.prediction === 0));
  await drained;
  await assert.rejects(fetch(`${server.url}/health/live`));
  await server.stop();
  await rm(models, { recursive: true, force: true });
});

test('broken files fail by themselves and say why; the others answer', async () => {
  const models = await modelFolder();
  await storeIris(models);
  for (const [name, content] of [
    ['garbage', 'not a model'],
    ['empty', ''],
    ['truncated', undefined],
  ] as const) {
    await storeIris(join(models, name, 'x'));
    const { mkdir, readFile } = await import('node:fs/promises');
    await mkdir(join(models, name, '1'), { recursive: true });
    const whole = await readFile(join(models, 'iris/1/model.onnx'));
    await writeFile(join(models, name, '1/model.onnx'), content ?? whole.subarray(0, whole.length / 2));
    await rm(join(models, name, 'x'), { recursive: true });
  }
  const server = await serve(models);
  try {
    for (const name of ['garbage', 'empty', 'truncated']) {
      const { status, body } = await post(`${server.url}/api/v1/models/${name}/predict`, { features: [1] });
      assert.equal(status, 503, JSON.stringify(body));
      assert.equal(body.error.code, 'MODEL_FAILED');
      assert.ok(!body.error.message.includes(models), `the path leaks: ${body.error.message}`);
    }
    assert.equal((await post(`${server.url}/api/v1/predict`, { ...setosa, model: 'iris' })).body.label, 'setosa');
  } finally {
    await server.stop();
  }
});
