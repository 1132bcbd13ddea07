/**
 * Where `hotpath types` gets signatures: a running server of the Open Inference Protocol, or a model file, which is met in a child
 * process as the server would. Called by types.ts.
 */
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createClient, HotpathClientError } from '../client/client.ts';
import { HotpathError } from '../core/errors.ts';
import { createOnnxEngine } from '../engines/onnx/onnx-engine.ts';
import type { Logger } from '../ports/logger.ts';
import type { TypedModel } from './model-types-text.ts';

/** No signatures; the message is for the terminal. */
export class NoSignatureError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'NoSignatureError';
  }
}

/** Loading a large model for its metadata takes a while. */
const timeoutMs = 120_000;

/** @throws NoSignatureError. */
export async function fromServer(url: string, model: string): Promise<TypedModel> {
  try {
    return { ...(await createClient({ url, timeoutMs }).metadata(model)), name: model };
  } catch (error) {
    throw explain(error, url);
  }
}

export interface ServedModels {
  readonly models: readonly TypedModel[];
  /** Sentences about models that have no signature now. */
  readonly omitted: readonly string[];
}

/** Every model of a Hotpath server; those that cannot be loaded are told. @throws NoSignatureError. */
export async function fromAll(url: string): Promise<ServedModels> {
  const client = createClient({ url, timeoutMs, retries: 0 });
  const models: TypedModel[] = [];
  const omitted: string[] = [];
  try {
    const names = new Set((await client.models()).models.map(({ name }) => name));
    for (const name of names) {
      try {
        models.push({ ...(await client.metadata(name)), name });
      } catch (error) {
        if (!(error instanceof HotpathClientError) || error.status === undefined) throw error;
        omitted.push(`${name} is left out: ${error.message}`);
      }
    }
  } catch (error) {
    throw explain(error, url);
  }
  return { models, omitted };
}

/** @throws NoSignatureError. */
export async function fromFile(path: string, name: string): Promise<TypedModel> {
  const found = await stat(path).catch(() => undefined);
  if (!found?.isFile()) throw new NoSignatureError(`There is no file ${path}.`);
  const engine = createOnnxEngine({ logger: silent, cacheDir: '', probeTimeoutMs: timeoutMs });
  try {
    const report = await engine.probe({
      name,
      version: '1',
      path: resolve(path),
      // Keys the cache, of which there is none.
      digest: '',
      executionProviders: ['cpu'],
      fallbackToCpu: false,
      instances: 1,
      intraOpThreads: 1,
      runTimeoutMs: timeoutMs,
    });
    return { name, ...report.signature };
  } catch (error) {
    if (error instanceof HotpathError) throw new NoSignatureError(`${path} cannot be loaded: ${error.message}`);
    throw error;
  } finally {
    await engine.close();
  }
}

const nothing = () => {};
const silent: Logger = { debug: nothing, info: nothing, warn: nothing, error: nothing };

function explain(error: unknown, url: string): unknown {
  if (!(error instanceof HotpathClientError)) return error;
  const where = error.status === undefined ? `${url}: ` : '';
  return new NoSignatureError(`${where}${error.code}: ${error.message}`);
}
