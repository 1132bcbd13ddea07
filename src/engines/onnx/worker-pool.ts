/**
 * A loaded model: its worker instances started together and closed together. Called by onnx-engine.ts.
 * Knows nothing of batches or queues; restarts happen inside the instances.
 */
import type { Worker } from 'node:worker_threads';
import { HotpathError } from '../../core/errors.ts';
import type { Signature } from '../../core/tensor.ts';
import type { EngineModel, EngineSpec } from '../../ports/engine.ts';
import type { Logger } from '../../ports/logger.ts';
import type { RestartCause } from './worker-instance.ts';
import { WorkerInstance } from './worker-instance.ts';

export interface PoolOptions {
  readonly spec: EngineSpec;
  readonly signature: Signature;
  readonly loadTimeoutMs: number;
  readonly logger: Logger;
  readonly onRestart: (cause: RestartCause) => void;
  readonly onAbandoned: (ended: Promise<void>) => void;
  readonly onWorkerStart?: ((worker: Worker) => void) | undefined;
}

/** @throws MODEL_FAILED when one instance cannot start; the others are ended first. */
export async function startPool(options: PoolOptions): Promise<EngineModel> {
  const { spec, signature, logger } = options;
  const instances = Array.from({ length: Math.max(1, spec.instances) }, (_, id) => makeInstance(id, options));
  const started = await Promise.allSettled(instances.map((instance) => instance.start()));
  const refused = started.find((result) => result.status === 'rejected');
  if (refused !== undefined) {
    await closeAll(instances);
    throw refused.reason;
  }
  const greetings = started.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const { executionProvider, signature: loaded } = greetings[0]!;
  if (!sameSignature(signature, loaded)) {
    await closeAll(instances);
    throw new HotpathError('MODEL_FAILED', 'The model file changed while it was loaded.');
  }
  if (spec.executionProviders[0] !== undefined && executionProvider !== spec.executionProviders[0]) {
    const { notes } = greetings[0]!;
    logger.warn({ model: spec.name, version: spec.version, executionProvider, notes }, 'preferred provider missing');
  }
  return { signature, instances, executionProvider, close: () => closeAll(instances) };
}

function makeInstance(id: number, options: PoolOptions): WorkerInstance {
  const { spec, logger } = options;
  const model = { model: spec.name, version: spec.version, instance: id };
  return new WorkerInstance({
    id,
    name: `${spec.name}/${spec.version}#${id}`,
    session: {
      path: spec.path,
      executionProviders: spec.executionProviders,
      fallbackToCpu: spec.fallbackToCpu,
      intraOpThreads: spec.intraOpThreads,
      sessionOptions: spec.sessionOptions,
    },
    signature: options.signature,
    runTimeoutMs: spec.runTimeoutMs,
    loadTimeoutMs: options.loadTimeoutMs,
    onWorkerStart: options.onWorkerStart,
    onAbandoned: options.onAbandoned,
    onRestart: (cause) => {
      logger.error({ ...model, cause }, 'engine worker lost, replacing it');
      options.onRestart(cause);
    },
    onRestartFailed: (reason, retryMs) => {
      logger.error({ ...model, reason, retryMs }, 'engine worker cannot be replaced yet');
    },
  });
}

async function closeAll(instances: readonly WorkerInstance[]): Promise<void> {
  await Promise.all(instances.map((instance) => instance.close()));
}

function sameSignature(a: Signature, b: Signature): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
