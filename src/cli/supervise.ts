/**
 * Runs a supervisor for `hotpath serve`: settles the ports, wires the signals, waits for the end. Called by serve.ts.
 * SIGTERM and SIGINT drain, a second SIGINT kills, SIGHUP swaps every process one after the other.
 */
import { fileURLToPath } from 'node:url';
import type { LoadedConfig } from '../config/load.ts';
import { freePort } from './free-port.ts';
import { drainLimitMs } from './serve-process.ts';
import type { ServerUrls } from './server-contract.ts';
import { Supervisor } from './supervisor.ts';

export interface SuperviseHooks {
  readonly onServing: (urls: ServerUrls) => void | Promise<void>;
  readonly log: (line: string) => void;
}

/** A process that has closed everything still needs a moment to exit before it counts as stuck. */
const exitMarginMs = 1000;

/** Port 0 is settled here, once: a replacement must come up where the dead one was. The last flag wins. */
async function fixedPorts({ config }: LoadedConfig): Promise<string[]> {
  const flags: string[] = [];
  if (config.port === 0) flags.push(`--port=${await freePort(config.host)}`);
  if (config.adminEnabled && config.adminPort === 0) flags.push(`--admin-port=${await freePort(config.adminHost)}`);
  if (config.grpcEnabled && config.grpcPort === 0) flags.push(`--grpc-port=${await freePort(config.host)}`);
  return flags;
}

function wireSignals(supervisor: Supervisor): () => void {
  const stop = () => void supervisor.stop();
  let interrupts = 0;
  const interrupt = () => (++interrupts === 1 ? stop() : supervisor.kill());
  const roll = () => void supervisor.roll();
  process.on('SIGTERM', stop).on('SIGINT', interrupt).on('SIGHUP', roll);
  return () => void process.off('SIGTERM', stop).off('SIGINT', interrupt).off('SIGHUP', roll);
}

/**
 * @param args of `hotpath serve`, given to every process.
 * @param entry the module a process runs. @default the CLI itself
 */
export async function supervise(
  loaded: LoadedConfig,
  args: readonly string[],
  hooks: SuperviseHooks,
  entry: string = fileURLToPath(new URL(import.meta.url.endsWith('.ts') ? './main.ts' : './main.js', import.meta.url)),
): Promise<number> {
  const supervisor = new Supervisor({
    workers: loaded.config.workers,
    entry,
    args: ['serve', ...args, ...(await fixedPorts(loaded))],
    killAfterMs: drainLimitMs(loaded.config) + exitMarginMs,
    log: hooks.log,
  });
  const unwire = wireSignals(supervisor);
  const urls = await supervisor.start();
  if (urls !== undefined) await hooks.onServing(urls);
  const exitCode = await supervisor.done;
  unwire();
  return exitCode;
}
