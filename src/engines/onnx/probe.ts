/**
 * Meets an unknown model in a child process, so that one that aborts, hangs or exits takes nobody along.
 * Called by onnx-engine.ts when the probe cache does not know the file. The child's memory is not limited here: run the
 * server in a cgroup, whose out-of-memory killer picks the child and is reported as SIGKILL.
 */
import type { ChildProcess } from 'node:child_process';
import { fork } from 'node:child_process';
import { HotpathError } from '../../core/errors.ts';
import type { EngineSpec, ProbeReport } from '../../ports/engine.ts';
import type { Logger } from '../../ports/logger.ts';
import type { ProbeMessage } from './probe-child.ts';
import type { ProbeJob, ProbeStage } from './probe-job.ts';

const entry = new URL(import.meta.url.endsWith('.ts') ? './probe-child.ts' : './probe-child.js', import.meta.url);

/** @throws MODEL_FAILED: refused by the runtime, killed the child, or took longer than `timeoutMs`. */
export async function probeModel(spec: EngineSpec, timeoutMs: number, logger: Logger): Promise<ProbeReport> {
  const { path, executionProviders, fallbackToCpu, intraOpThreads, sessionOptions } = spec;
  // No execArgv of ours (inspector, loaders, test flags), no output of theirs.
  const child = fork(entry, { execArgv: [], stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  const job: ProbeJob = {
    session: { path, executionProviders, fallbackToCpu, intraOpThreads, sessionOptions },
    timeoutMs,
  };
  // A child that is gone already is reported by its exit, not by the failed send.
  child.send(job, () => undefined);
  try {
    const startedAt = performance.now();
    const report = await outcome(child, timeoutMs);
    const probeMs = Math.round(performance.now() - startedAt);
    logger.debug({ model: spec.name, version: spec.version, probeMs, batch: report.batch }, 'model probed');
    return report;
  } finally {
    // It has told all it knows; a polite exit would run native destructors for nothing.
    child.kill('SIGKILL');
  }
}

function outcome(child: ChildProcess, timeoutMs: number): Promise<ProbeReport> {
  return new Promise((resolve, reject) => {
    let stage: ProbeStage = 'loading';
    const fail = (reason: string): void => {
      clearTimeout(timer);
      reject(new HotpathError('MODEL_FAILED', reason));
    };
    const timer = setTimeout(() => fail(`The probe did not end within ${timeoutMs} ms, while ${stage}.`), timeoutMs);
    child.on('message', (message: ProbeMessage) => {
      if ('stage' in message) stage = message.stage;
      else if ('failed' in message) fail(message.failed);
      else {
        clearTimeout(timer);
        resolve(message.report);
      }
    });
    child.on('exit', (code, signal) => {
      const how = signal === null ? `exit code ${code}` : `signal ${signal}`;
      fail(`The model killed the probe process (${how}) while ${stage}.`);
    });
    child.on('error', () => fail('The probe process could not be started.'));
  });
}
