/** With two HTTP processes, what a load call brought to one of them is served by both, and by the one that replaces a dead one. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { trainIris } from '../../src/training/train-iris.ts';
import { modelFolder, storeIris } from './support/serve.ts';
import { childrenOf, startServerProcess } from './support/server-process.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers are read field by field
type Json = any;

/** On a connection of its own; `process` is the part of the request id that all requests of one process share. */
async function call(url: string, body?: object): Promise<{ status: number; body: Json; process: string }> {
  const response = await fetch(url, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { connection: 'close', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return {
    status: response.status,
    body: text === '' ? undefined : JSON.parse(text),
    process: response.headers.get('x-request-id')!.split('-')[0]!,
  };
}

/** Asks until two processes have answered, or twenty seconds are over. @returns an answer of each. */
async function askBoth(url: string): Promise<ReadonlyMap<string, { status: number; body: Json }>> {
  const answers = new Map<string, { status: number; body: Json }>();
  const endMs = performance.now() + 20_000;
  while (answers.size < 2 && performance.now() < endMs) {
    const answer = await call(url).catch(() => undefined);
    if (answer !== undefined) answers.set(answer.process, answer);
  }
  assert.equal(answers.size, 2, 'two processes answer');
  return answers;
}

test('a configuration and files from a load call reach every process', {
  skip: process.platform !== 'linux',
}, async () => {
  const models = await modelFolder();
  await storeIris(models);
  const temporary = await mkdtemp(join(models, '.tmp-'));
  const { child, url } = await startServerProcess(models, ['--workers', '2', '--model-control', 'explicit'], {
    TMPDIR: temporary,
  });
  const load = (model: string, parameters: object) => call(`${url}/v2/repository/models/${model}/load`, { parameters });
  const sizes = async (model: string) => {
    const answers = await askBoth(`${url}/v2/models/${model}/config`);
    return [...answers.values()].map(({ status, body }) => [status, body.max_batch_size]);
  };
  let left: string[] = [];
  try {
    const file = Buffer.from(trainIris({ seed: 42 }).model).toString('base64');
    assert.equal((await load('iris', { config: '{"max_batch_size": 24}' })).status, 200);
    assert.equal((await load('new', { config: '{"max_batch_size": 6}', 'file:1/model.onnx': file })).status, 200);
    assert.deepEqual(await sizes('iris'), [
      [200, 24],
      [200, 24],
    ]);
    assert.deepEqual(await sizes('new'), [
      [200, 6],
      [200, 6],
    ]);

    const before = new Set((await askBoth(`${url}/v2`)).keys());
    process.kill(childrenOf(child.pid!)[0]!, 'SIGKILL');
    const replaced = await newcomer(`${url}/v2/models/new/config`, before);
    assert.deepEqual([replaced.status, replaced.body.max_batch_size], [200, 6]);

    assert.equal((await load('iris', {})).status, 200);
    for (const [, size] of await sizes('iris')) assert.notEqual(size, 24);
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
    left = (await readdir(temporary)).filter((name) => name.startsWith('hotpath-uploads-'));
    await rm(models, { recursive: true, force: true });
  }
  assert.deepEqual(left, [], 'neither the killed process nor the others leave files behind');
});

/** The first answer of a process that is not among the known. */
async function newcomer(url: string, known: ReadonlySet<string>): Promise<{ status: number; body: Json }> {
  const endMs = performance.now() + 20_000;
  while (performance.now() < endMs) {
    const answer = await call(url).catch(() => undefined);
    if (answer !== undefined && !known.has(answer.process)) return answer;
  }
  assert.fail('no new process answered');
}
