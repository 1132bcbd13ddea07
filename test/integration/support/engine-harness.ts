/** What the engine tests share: fixtures, generated models in a temporary folder, an engine that is closed in the end. */
import { EventEmitter, once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { Datatype, Tensor, TensorData } from '../../../src/core/tensor.ts';
import type { OnnxEngine } from '../../../src/engines/onnx/onnx-engine.ts';
import { createOnnxEngine } from '../../../src/engines/onnx/onnx-engine.ts';
import { encodeModel } from '../../../src/onnx-file/encode.ts';
import type { Node, TensorLiteral, ValueInfo } from '../../../src/onnx-file/model.ts';
import { makeModel } from '../../../src/onnx-file/model.ts';
import type { EngineModel, EngineSpec, ProbeReport } from '../../../src/ports/engine.ts';

export const fixtureFolder = resolve(
  process.env.HOTPATH_FIXTURES ?? join(import.meta.dirname, '../../../../shared/fixtures'),
);

/** For a test's `skip`: false, or why. */
export const withoutFixtures = existsSync(fixtureFolder) ? false : 'the folder of third-party models is absent';

export const fixture = (path: string): string => join(fixtureFolder, path);

export function tensor(datatype: Datatype, shape: readonly number[], data: TensorData): Tensor {
  return { datatype, shape, data };
}

export interface ModelDraft {
  readonly nodes: readonly Node[];
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly initializers?: readonly TensorLiteral[];
}

export function modelBytes({ nodes, inputs, outputs, initializers = [] }: ModelDraft): Uint8Array {
  return encodeModel(
    makeModel({ opsets: [{ domain: '', version: 17 }], graph: { name: 'test', nodes, inputs, outputs, initializers } }),
  );
}

export interface Harness {
  readonly engine: OnnxEngine;
  /** Every worker thread started, oldest first. */
  readonly workers: Worker[];
  readonly restarts: string[];
  /** Resolves when that many threads have been started. */
  started(count: number): Promise<void>;
  readonly folder: string;
  /** A spec for a file, or for bytes written to one. */
  spec(model: string | Uint8Array, changes?: Partial<EngineSpec>): Promise<EngineSpec>;
  probe(model: string | Uint8Array, changes?: Partial<EngineSpec>): Promise<ProbeReport>;
  open(model: string | Uint8Array, changes?: Partial<EngineSpec>): Promise<EngineModel>;
}

export async function startHarness(
  test: TestContext,
  options: { probeTimeoutMs?: number; cacheDir?: string } = {},
): Promise<Harness> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-engine-'));
  const workers: Worker[] = [];
  const restarts: string[] = [];
  const events = new EventEmitter();
  const engine = createOnnxEngine({
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    cacheDir: options.cacheDir ?? '',
    probeTimeoutMs: options.probeTimeoutMs ?? 30_000,
    onRestart: (cause, model) => restarts.push(`${model.name} ${cause}`),
    onWorkerStart: (worker) => {
      workers.push(worker);
      events.emit('worker');
    },
  });
  test.after(async () => {
    await engine.close();
    await rm(folder, { recursive: true });
  });
  let files = 0;
  const spec: Harness['spec'] = async (model, changes = {}) => {
    const path = typeof model === 'string' ? model : join(folder, `model-${files++}.onnx`);
    if (typeof model !== 'string') await writeFile(path, model);
    return {
      name: 'test',
      version: '1',
      path,
      digest: path,
      executionProviders: ['cpu'],
      fallbackToCpu: false,
      instances: 1,
      intraOpThreads: 1,
      runTimeoutMs: 30_000,
      ...changes,
    };
  };
  const probe: Harness['probe'] = async (model, changes) => engine.probe(await spec(model, changes));
  const open: Harness['open'] = async (model, changes) => {
    const target = await spec(model, changes);
    return engine.load(target, (await engine.probe(target)).signature);
  };
  const started = async (count: number): Promise<void> => {
    while (workers.length < count) await holdOpen(once(events, 'worker'));
  };
  return { engine, workers, restarts, started, folder, spec, probe, open };
}

/** Engine workers hold no process open; a test that waits for one has to. */
export async function holdOpen<T>(promise: Promise<T>): Promise<T> {
  const hold = setInterval(() => undefined, 60_000);
  try {
    return await promise;
  } finally {
    clearInterval(hold);
  }
}

/**
 * Ends a worker thread as a defect in it would: it throws at a message that is no request. Not Worker.terminate(), which
 * aborts the process when the thread is inside the runtime.
 */
export function kill(worker: Worker): void {
  worker.postMessage(undefined);
}
