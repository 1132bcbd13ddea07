/** Servers with a small perceptron to optimize, and their tasks. Used by the tests of background tasks. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { buildPerceptron } from '../../../bench/models/perceptron.ts';
import { seededRandom } from '../../../src/core/seeded-random.ts';
import { get, modelFolder, post, serve, type TestServer } from './serve.ts';

const width = 32;
const random = seededRandom(11);
export const rows = Array.from({ length: 200 }, () =>
  Array.from({ length: width }, () => Math.fround(4 * random() - 2)),
);
/** Half of the file and the same answers: it always passes, and is always the smallest of the two. */
export const quick = { passes: ['fp16-weights'], target: 'size', seconds: 0.01 };
/** Many variants, and then hours of timing. */
export const endless = { seconds: 3600 };

export interface Shown {
  readonly id: string;
  readonly model: string;
  readonly state: string;
  readonly progress: { readonly share: number; readonly what: string };
  readonly request: Readonly<Record<string, unknown>>;
  // biome-ignore lint/suspicious/noExplicitAny: read field by field in assertions
  readonly result?: any;
  readonly error?: { readonly code: string; readonly message: string };
}

export function storeNet(models: string, name = 'net'): void {
  mkdirSync(join(models, name, '1'), { recursive: true });
  writeFileSync(join(models, name, '1', 'model.onnx'), buildPerceptron({ name, width, classes: 4 }, 3));
}

/** Below the one folder of the repository. */
export function taskFolder(models: string, id: string): string {
  const [repository, ...more] = readdirSync(join(models, '.tasks'));
  assert.deepEqual(more, []);
  return join(models, '.tasks', repository!, id);
}

export async function netServer(test: TestContext, settings: Parameters<typeof serve>[1] = {}): Promise<TestServer> {
  const models = await modelFolder();
  storeNet(models);
  const server = await serve(models, settings);
  test.after(() => server.stop());
  return server;
}

export async function ask(adminUrl: string, model: string, body: object): Promise<Shown> {
  const answer = await post(`${adminUrl}/admin/models/${model}/optimize`, body);
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  assert.equal(answer.headers.get('location'), `/admin/tasks/${answer.body.id}`);
  return answer.body;
}

/** The task, once it is as wanted. */
export async function taskWhen(adminUrl: string, id: string, wanted: (task: Shown) => boolean): Promise<Shown> {
  for (;;) {
    const { body } = await get(`${adminUrl}/admin/tasks/${id}`);
    if (wanted(body)) return body;
    assert.ok(['waiting', 'running'].includes(body.state), JSON.stringify(body));
    await delay(50);
  }
}

export const whenEnded = (adminUrl: string, id: string) =>
  taskWhen(adminUrl, id, ({ state }) => !['waiting', 'running'].includes(state));
export const whenRunning = (adminUrl: string, id: string) => taskWhen(adminUrl, id, ({ state }) => state === 'running');
export const whenWorking = (adminUrl: string, id: string) =>
  taskWhen(adminUrl, id, ({ progress }) => progress.share > 0);

/** What a model answers to the first of the rows, with its version. */
export async function predictedBy({ url }: Pick<TestServer, 'url'>, model = 'net') {
  const { status, body } = await post(`${url}/api/v1/predict`, { model, features: rows[0] });
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}
