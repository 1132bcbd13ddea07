/**
 * The life of one serving process: start, report ready, drain when told, go. Called by serve.ts for the only process, and by
 * each process under the supervisor (the same code in both, so that one process is no special case).
 */
import cluster from 'node:cluster';
import type { LoadedConfig } from '../config/load.ts';
import type { RunningServer, StartServer } from './server-contract.ts';
import { describeStartError } from './start-error.ts';
import { connectWorkerLink, processChannel } from './worker-link.ts';

/** How often a process looks whether it has reached maxRequests. */
const recycleCheckMs = 100;

/** What a drain may take beyond the settings before the process gives up: stopping engines and stores. */
export const stopMarginMs = 2000;

export function drainLimitMs(config: LoadedConfig['config']): number {
  return config.shutdownDelayMs + config.shutdownTimeoutMs + stopMarginMs;
}

/** Drains and closes. @returns false when that took longer than the settings allow. */
export async function stopServer(server: RunningServer, limitMs: number): Promise<boolean> {
  const { promise: tooLate, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), limitMs);
  const stopped = server
    .drain()
    .then(() => server.close())
    .then(() => true);
  const inTime = await Promise.race([stopped, tooLate]);
  clearTimeout(timer);
  return inTime;
}

/**
 * Ends the process after a stop. One that is stuck in a model's native code is killed: process.exit would have the runtime
 * abort in the middle of its run, with a core dump.
 */
export function endProcess(stoppedInTime: boolean): never {
  if (!stoppedInTime) process.kill(process.pid, 'SIGKILL');
  process.exit(0);
}

/** Calls `reached` once, when the server has answered maxRequests plus a random part of maxRequestsJitter. */
function watchRequestCount(server: RunningServer, config: LoadedConfig['config'], reached: () => void): void {
  if (config.maxRequests === 0 || server.requestCount === undefined) return;
  // With jitter, processes started together do not retire together.
  const limit = config.maxRequests + Math.floor(Math.random() * (config.maxRequestsJitter + 1));
  const timer = setInterval(() => {
    if (server.requestCount!() < limit) return;
    clearInterval(timer);
    reached();
  }, recycleCheckMs);
  timer.unref();
}

/** Under the supervisor: serves until told to drain, then ends the process. */
export async function serveAsWorker(loaded: LoadedConfig, startServer: StartServer): Promise<never> {
  const control = connectWorkerLink(cluster.worker!.id, processChannel());
  const started = Promise.withResolvers<RunningServer>();
  // Registered before the start: a drain may come while models still load.
  const leave = Promise.withResolvers<void>();
  control.onDrain(leave.resolve);
  process.on('SIGTERM', () => leave.resolve());
  // Ctrl-C and a closed terminal reach the whole process group; the supervisor decides what they mean.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});

  startServer({ config: loaded.config, provenance: loaded.provenance, link: control.link }).then(
    started.resolve,
    started.reject,
  );
  let server: RunningServer | undefined;
  try {
    server = await Promise.race([started.promise, leave.promise.then(() => undefined)]);
  } catch (error) {
    process.stderr.write(`hotpath: ${describeStartError(error, loaded.config) ?? (error as Error).stack}\n`);
    process.exit(1);
  }
  if (server === undefined) process.exit(0);
  control.ready({ url: server.url, grpcUrl: server.grpcUrl, adminUrl: server.adminUrl });
  watchRequestCount(server, loaded.config, () => control.link.retire());
  await leave.promise;
  endProcess(await stopServer(server, drainLimitMs(loaded.config)));
}
