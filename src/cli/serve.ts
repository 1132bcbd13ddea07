/**
 * `hotpath serve`: reads the configuration, makes sure there is a model to try, then serves here or supervises processes that do.
 * Run again by each of those processes with the same arguments.
 */
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { renderFlagHelp } from '../config/reference.ts';
import { packageVersion } from '../config/version.ts';
import { renderBanner } from './banner.ts';
import type { CommandContext, ExitCode } from './command.ts';
import { ensureDemoModel, listModelNames } from './ensure-demo-model.ts';
import { openDoorWarning } from './open-door-warning.ts';
import { parseSettingFlags } from './parse-flags.ts';
import type { RunningServer, ServerUrls, StartServer } from './server-contract.ts';
import { describeStartError } from './start-error.ts';

export const help = `Usage: hotpath serve [--config <file>] [flags]

Serves the models of a folder over HTTP. With no model at all it trains and serves a small example.
Each flag is also an environment variable (--max-body-bytes is HOTPATH_MAX_BODY_BYTES) and a key of the
configuration file (maxBodyBytes). Flags beat variables, variables beat the file.

  --config <file>                 JSON file of settings (also HOTPATH_CONFIG)
${renderFlagHelp()}`;

async function loadStartServer(): Promise<StartServer> {
  const { startServer } = await import('../server.ts');
  return startServer;
}

async function printBanner(urls: ServerUrls, { config }: LoadedConfig, { terminal }: CommandContext): Promise<void> {
  const facts = {
    ...urls,
    version: packageVersion(),
    modelsFolder: config.models,
    models: await listModelNames(config.models),
    workers: config.workers,
    auth: config.auth === 'on',
    readyMs: performance.now(),
  };
  terminal.out(renderBanner(facts, terminal.style));
}

/** In this process alone: until SIGTERM or SIGINT; a second SIGINT ends it at once. */
async function serveHere(loaded: LoadedConfig, context: CommandContext): Promise<ExitCode> {
  const [startServer, { drainLimitMs, endProcess, stopServer }] = await Promise.all([
    loadStartServer(),
    import('./serve-process.ts'),
  ]);
  let server: RunningServer;
  try {
    server = await startServer({ config: loaded.config, provenance: loaded.provenance });
  } catch (error) {
    const reason = describeStartError(error, loaded.config);
    if (reason === undefined) throw error;
    context.terminal.err(`hotpath: ${reason}`);
    return 1;
  }
  const asked = new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve);
    process.once('SIGINT', () => {
      process.once('SIGINT', () => process.kill(process.pid, 'SIGKILL'));
      resolve();
    });
  });
  await printBanner(server, loaded, context);
  await asked;
  // Not left to the last open handle: a stopped server must not linger.
  return endProcess(await stopServer(server, drainLimitMs(loaded.config)));
}

/** @param args of this command, passed on to the processes. */
async function serveInProcesses(
  loaded: LoadedConfig,
  args: readonly string[],
  context: CommandContext,
): Promise<ExitCode> {
  const { supervise } = await import('./supervise.ts');
  return supervise(loaded, args, {
    onServing: (urls) => printBanner(urls, loaded, context),
    log: (line) => context.terminal.err(`hotpath: ${line}`),
  });
}

export async function run(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  const { file, flags } = parseSettingFlags(args);
  const loaded = loadConfig({ file, env: context.env, flags });
  const { config } = loaded;
  const inProcesses = config.workers > 1 || config.maxRequests > 0;
  if (inProcesses && (await import('node:cluster')).default.isWorker) {
    const [startServer, { serveAsWorker }] = await Promise.all([loadStartServer(), import('./serve-process.ts')]);
    return serveAsWorker(loaded, startServer);
  }
  const warning = openDoorWarning(config);
  if (warning !== undefined) context.terminal.err(warning);
  const note = await ensureDemoModel(config.models);
  if (note !== undefined) context.terminal.err(`hotpath: ${note}`);
  return inProcesses ? serveInProcesses(loaded, args, context) : serveHere(loaded, context);
}
