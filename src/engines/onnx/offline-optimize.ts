/**
 * ONNX Runtime's own graph optimization, as a file: constants folded, BatchNorm folded into Conv, nodes fused. Called by the
 * optimizer through the composition root. Runs in a disposable process: a model that kills the runtime kills nobody else.
 * The result of `layout` and `all` only runs on processors of this kind; `basic` and `extended` run anywhere.
 */
import { fork } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HotpathError } from '../../core/errors.ts';
import { stripUnusedOpsets } from '../../onnx-file/strip-opsets.ts';
import type { OfflineMessage } from './offline-optimize-child.ts';
import { cleanRuntimeMessage } from './runtime-message.ts';

export type OfflineLevel = 'basic' | 'extended' | 'layout' | 'all';

export interface OfflineJob {
  readonly modelPath: string;
  /** Must not exist yet. */
  readonly outputPath: string;
  readonly level: OfflineLevel;
  /** Name of a file beside the output for tensors over 1 KiB: without it a result over 2 GiB cannot be written. */
  readonly dataFile?: string | undefined;
}

export interface OfflineLimits {
  /** @default 300000 */
  readonly timeoutMs?: number;
}

const entry = new URL(
  import.meta.url.endsWith('.ts') ? './offline-optimize-child.ts' : './offline-optimize-child.js',
  import.meta.url,
);

/** From file to file, as the runtime writes it. @throws MODEL_FAILED: refused, killed the process, took too long */
export async function optimizeFileOffline(job: OfflineJob, { timeoutMs = 300_000 }: OfflineLimits = {}): Promise<void> {
  const child = fork(entry, { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  // A child that is gone already is reported by its exit, not by the failed send.
  child.send(job, () => undefined);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const fail = (reason: string): void => reject(new HotpathError('MODEL_FAILED', reason));
  const timer = setTimeout(() => fail(`The offline optimization did not end within ${timeoutMs} ms.`), timeoutMs);
  child.on('message', (message: OfflineMessage) => {
    if ('failed' in message)
      fail(`The runtime refused the model: ${cleanRuntimeMessage(message.failed, job.modelPath)}`);
    else resolve();
  });
  child.on('exit', (code, signal) => {
    fail(
      `The model killed the process that optimized it (${signal === null ? `exit code ${code}` : `signal ${signal}`}).`,
    );
  });
  child.on('error', () => fail('The process for the offline optimization could not be started.'));
  try {
    await promise;
  } finally {
    clearTimeout(timer);
    child.kill('SIGKILL');
  }
}

/**
 * A model in memory, without external data. The opsets that the runtime adds for operators it did not use are taken away.
 * @throws MODEL_FAILED as `optimizeFileOffline`
 */
export async function optimizeOffline(
  model: Uint8Array,
  level: OfflineLevel,
  limits: OfflineLimits = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-offline-'));
  try {
    const [modelPath, outputPath] = [join(folder, 'model.onnx'), join(folder, 'optimized.onnx')];
    await writeFile(modelPath, model);
    await optimizeFileOffline({ modelPath, outputPath, level }, limits);
    return stripUnusedOpsets(await readFile(outputPath), model);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
