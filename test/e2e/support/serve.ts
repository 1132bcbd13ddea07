/** Starts the real server inside the test process, on free ports, over a model folder of its own. Used by the e2e tests. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { flagName } from '../../../src/config/env-name.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { SettingName } from '../../../src/config/schema.ts';
import { type ServerHooks, startServer } from '../../../src/server.ts';
import { storeModel } from '../../../src/training/store-model.ts';
import { trainIris } from '../../../src/training/train-iris.ts';

export interface TestServer {
  readonly url: string;
  readonly adminUrl: string;
  readonly grpcUrl: string;
  readonly models: string;
  readonly log: string[];
  drain(): Promise<void>;
  /** Without touching the model folder. */
  close(): Promise<void>;
  stop(): Promise<void>;
}

/** An empty model folder; removed by `stop` of the server that serves it. */
export function modelFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'hotpath-e2e-'));
}

export async function storeIris(models: string, version = '1', seed = 42): Promise<void> {
  const { model, classNames } = trainIris({ seed });
  await storeModel(models, 'iris', version, model, { classNames });
}

export async function serve(
  models: string,
  given: Partial<Record<SettingName, string>> = {},
  hooks: ServerHooks = {},
): Promise<TestServer> {
  const log: string[] = [];
  const folders = { models, cacheDir: join(models, '.cache'), taskDir: join(models, '.tasks') };
  const settings = { port: '0', adminPort: '0', grpcPort: '0', ...folders, ...given };
  const flags = Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [flagName(name as SettingName).replace(/^--/, ''), value]),
  );
  const { config, provenance } = loadConfig({ file: undefined, env: {}, flags });
  const server = await startServer(
    { config, provenance },
    { logDestination: { write: (line) => log.push(line) }, ...hooks },
  );
  return {
    url: server.url,
    adminUrl: server.adminUrl!,
    grpcUrl: server.grpcUrl!,
    models,
    log,
    drain: () => server.drain(),
    close: () => server.close(),
    async stop() {
      await server.drain();
      await server.close();
      await rm(models, { recursive: true, force: true });
    },
  };
}

export interface Answer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are read field by field in assertions
  readonly body: any;
  readonly headers: Headers;
}

export async function post(url: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  return { status: response.status, body: await response.json(), headers: response.headers };
}

export async function get(url: string): Promise<Answer> {
  const response = await fetch(url);
  return { status: response.status, body: await response.json(), headers: response.headers };
}
