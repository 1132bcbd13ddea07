/**
 * The engine port over ONNX Runtime: probes in a child process, serves from worker threads. Made by server.ts.
 * Never loads the runtime on the thread it is called on.
 */
import type { Worker } from 'node:worker_threads';
import { HotpathError } from '../../core/errors.ts';
import type { Engine, EngineModel } from '../../ports/engine.ts';
import type { Logger } from '../../ports/logger.ts';
import { probeModel } from './probe.ts';
import { openProbeCache } from './probe-cache.ts';
import type { RestartCause } from './worker-instance.ts';
import { startPool } from './worker-pool.ts';

export interface OnnxEngineOptions {
  readonly logger: Logger;
  /** Folder of the probe cache; empty: nothing is cached. May be missing or read-only. */
  readonly cacheDir: string;
  /** Time a model may take to probe, and again to load. */
  readonly probeTimeoutMs: number;
  /** A worker of the model died or hung and is being replaced. */
  readonly onRestart?: ((cause: RestartCause, model: { name: string; version: string }) => void) | undefined;
  /** Sees every worker thread started; for tests that end threads from outside. */
  readonly onWorkerStart?: ((worker: Worker) => void) | undefined;
}

export interface OnnxEngine extends Engine {
  /** Hung workers that still sit in native code; they keep a core busy and hold up the end of the process. */
  readonly abandonedWorkers: number;
}

export function createOnnxEngine(options: OnnxEngineOptions): OnnxEngine {
  const { logger, probeTimeoutMs } = options;
  const cache = openProbeCache(options.cacheDir, logger);
  const models = new Set<EngineModel>();
  let abandonedWorkers = 0;
  let closed = false;
  const refuseIfClosed = (): void => {
    if (closed) throw new HotpathError('SHUTTING_DOWN', 'The engine is stopping.');
  };

  return {
    get abandonedWorkers() {
      return abandonedWorkers;
    },

    async probe(spec) {
      refuseIfClosed();
      const known = await cache.read(spec);
      if (known !== undefined) return known;
      const report = await probeModel(spec, probeTimeoutMs, logger);
      await cache.write(spec, report);
      return report;
    },

    async load(spec, signature) {
      refuseIfClosed();
      const model = await startPool({
        spec,
        signature,
        logger,
        loadTimeoutMs: probeTimeoutMs,
        onWorkerStart: options.onWorkerStart,
        onRestart: (cause) => options.onRestart?.(cause, { name: spec.name, version: spec.version }),
        onAbandoned: (ended) => {
          abandonedWorkers++;
          void ended.then(() => abandonedWorkers--);
        },
      });
      if (closed) {
        await model.close();
        refuseIfClosed();
      }
      models.add(model);
      return { ...model, close: () => closeModel(models, model) };
    },

    async close() {
      closed = true;
      await Promise.all([...models].map((model) => closeModel(models, model)));
    },
  };
}

async function closeModel(models: Set<EngineModel>, model: EngineModel): Promise<void> {
  await model.close();
  models.delete(model);
}
