/** Filling and emptying the cache of a whole server: at load, from the prediction log of an earlier life, by hand. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runCli } from '../../src/cli/run-cli.ts';
import { createTerminal } from '../../src/cli/terminal.ts';
import type { CacheConfig } from '../../src/ports/cache-config.ts';
import type { CacheStatus } from '../../src/ports/cache-status.ts';
import { storeModel } from '../../src/training/store-model.ts';
import { trainIris } from '../../src/training/train-iris.ts';
import { modelFolder, post, serve, type TestServer } from '../e2e/support/serve.ts';

const { model, classNames } = trainIris();
const flowers = Array.from({ length: 30 }, (_, index) => [5 + index / 10, 3.5, 1.4, 0.2]);

async function folderWith(cache: CacheConfig): Promise<string> {
  const models = await modelFolder();
  await storeModel(models, 'iris', '1', model, { classNames, deterministic: true, cache });
  const lines = flowers.map((features) => `${JSON.stringify({ features })}\n`);
  await writeFile(join(models, 'iris', 'flowers.jsonl'), lines.join(''));
  return models;
}

async function cacheOf({ url }: TestServer, features: readonly number[]): Promise<string | null> {
  const { status, headers } = await post(`${url}/api/v1/predict`, { model: 'iris', features });
  assert.equal(status, 200);
  return headers.get('x-cache');
}

/** Entries of the model in memory, once there are as many; it fails after ten seconds. */
async function waitForEntries({ adminUrl }: TestServer, count: number): Promise<void> {
  const untilMs = performance.now() + 10_000;
  for (;;) {
    const status = (await (await fetch(`${adminUrl}/admin/cache`)).json()) as CacheStatus;
    const entries = status.models.find((each) => each.model === 'iris')?.entries ?? 0;
    if (entries === count) return;
    assert.ok(performance.now() < untilMs, `${entries} entries instead of ${count}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function cli(server: TestServer, ...args: string[]) {
  let out = '';
  const stdout = { write: (text: string) => (out += text) };
  const stderr = { write: () => {} };
  const terminal = createTerminal({ stdout, stderr }, {});
  const code = await runCli(['cache', ...args, '--url', server.adminUrl], { terminal, env: {} });
  return { code, out };
}

describe('a server with a cache', () => {
  it('fills it when the model is loaded, from the file that its configuration names', async () => {
    const models = await folderWith({ warm: { file: 'flowers.jsonl' } });
    const server = await serve(models, { preload: 'true', predictionLog: 'off' });
    try {
      await waitForEntries(server, flowers.length);
      assert.equal(await cacheOf(server, flowers[7]!), 'memory');
      assert.equal(await cacheOf(server, [1, 2, 3, 4]), 'miss');
    } finally {
      await server.stop();
    }
  });

  it('fills it from the most frequent inputs of its last life', async () => {
    const models = await folderWith({ warm: { hours: 1, top: 2 } });
    const settings = { predictionLog: 'stored', databaseUrl: `sqlite:${join(models, 'hotpath.db')}` };
    const first = await serve(models, settings);
    for (const [index, times] of [1, 3, 2].entries()) {
      for (let time = 0; time < times; time++) await cacheOf(first, flowers[index]!);
    }
    await first.drain();
    await first.close();
    const second = await serve(models, { ...settings, preload: 'true' });
    try {
      await waitForEntries(second, 2);
      assert.equal(await cacheOf(second, flowers[1]!), 'memory');
      assert.equal(await cacheOf(second, flowers[2]!), 'memory');
      assert.equal(await cacheOf(second, flowers[0]!), 'miss');
    } finally {
      await second.stop();
    }
  });

  it('is filled and emptied by hand', async () => {
    const server = await serve(await folderWith({}));
    try {
      const warmed = await cli(server, 'warm', 'iris', '--file', 'flowers.jsonl', '--top', '10');
      assert.deepEqual([warmed.code, /^iris 1: 10 computed, 0 cached already, 0 failed/.test(warmed.out)], [0, true]);
      const more = await cli(server, 'warm', 'iris', '--file', 'flowers.jsonl');
      assert.match(more.out, /^iris 1: 20 computed, 10 cached already, 0 failed/);
      assert.match((await cli(server, 'status')).out, /^iris +1 +30 /m);
      assert.match((await cli(server, 'invalidate', 'ir*')).out, /^memory +30$/m);
      assert.equal(await cacheOf(server, flowers[3]!), 'miss');
      assert.equal((await cli(server, 'warm', 'iris', '--file', 'absent.jsonl')).code, 1);
      assert.equal((await cli(server, 'warm', 'absent')).code, 1);
    } finally {
      await server.stop();
    }
  });
});
