/**
 * `hotpath tune`: which instances, threads, batch and graph optimization answer the most requests in time on this machine, measured and
 * written into the model's tuning.json. Works without a server.
 */
import { loadConfig } from '../config/load.ts';
import { HotpathError } from '../core/errors.ts';
import type { ExecutionProvider } from '../ports/engine.ts';
import { runTune, type TuneRequest } from '../server-tune.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { type CommandFlags, readFlags } from './command-flags.ts';
import { ProgressLine } from './progress-line.ts';
import type { Terminal } from './terminal.ts';
import { renderTuned } from './tune-table.ts';
import { untilInterrupted } from './until-interrupted.ts';

const providers = ['cpu', 'webgpu', 'cuda', 'tensorrt'] as const satisfies readonly ExecutionProvider[];

export const help = `Usage: hotpath tune <model> [flags]

Finds the instances, threads per run, largest batch, graph optimization and execution provider with which this machine answers the most
requests within the SLO, proves it against what the model gets by itself, and writes it into the model's tuning.json, which a server uses
from its next load on. What model.json says stays as it is.

  --model-version <v>   Version or label [the newest that is served]
  --slo-ms <ms>         An answer within this time counts [sloMs of the model or the server, or 10 times one row]
  --traffic <file>      Recorded arrivals: .csv with a column, or .jsonl with a field, named timestamp or time [made up, with bursts]
  --rate <n>            Be good at this many requests per second [be able to answer as many as possible]
  --providers <list>    Also try these: ${providers.join(', ')} [those whose libraries are installed; never webgpu]
  --seconds <n>         For measuring [60]
  --models <folder>     The repository [models] (also HOTPATH_MODELS)
  --threads <n>         Cores the engines may use, as for serve [what the cgroup grants]
  --workers <n>         Serve's HTTP processes, which share the cores [1]
  --config <file>       JSON file of settings, as for serve (also HOTPATH_CONFIG)
  --dry-run             Write nothing
  --json                Print everything as JSON

Exit codes: 0 better settings were written, 1 failed, 2 used wrongly, 3 the model is best as it is.`;

const options = {
  'model-version': { type: 'string' },
  'slo-ms': { type: 'string' },
  traffic: { type: 'string' },
  rate: { type: 'string' },
  providers: { type: 'string' },
  seconds: { type: 'string' },
  models: { type: 'string' },
  threads: { type: 'string' },
  workers: { type: 'string' },
  config: { type: 'string' },
  'dry-run': { type: 'boolean' },
  json: { type: 'boolean' },
} as const;

type Flags = CommandFlags<typeof options>;

const keptDefault = 3;

export async function run(args: readonly string[], { terminal, env }: CommandContext): Promise<ExitCode> {
  const { model, flags } = parse(args);
  const request = readRequest(model, flags, env);
  try {
    return await untilInterrupted((signal) => tune(request, flags.json ?? false, terminal, signal));
  } catch (error) {
    if (!(error instanceof HotpathError) || error.code === 'INTERNAL') throw error;
    terminal.err(`hotpath: ${error.message}`);
    return 1;
  }
}

async function tune(request: TuneRequest, json: boolean, terminal: Terminal, signal: AbortSignal): Promise<ExitCode> {
  const stream = terminal.errStream ?? { write: (text: string) => terminal.err(text.trimEnd()) };
  const line = new ProgressLine(stream, () => performance.now());
  const onProgress = (share: number, what: string) => line.show(`${Math.floor(100 * share)} %  ${what}`);
  const tuned = await runTune(request, { onProgress, signal }).finally(() => line.clear());
  terminal.out(json ? JSON.stringify(tuned, undefined, 2) : renderTuned(tuned, terminal.style));
  return tuned.result.improved ? 0 : keptDefault;
}

function parse(args: readonly string[]): { readonly model: string; readonly flags: Flags } {
  const parsed = readFlags(args, options);
  const [model, ...more] = parsed.positionals;
  if (model === undefined || more.length > 0) throw new UsageError('Give the name of one model.');
  return { model, flags: parsed.values };
}

function readRequest(model: string, flags: Flags, env: CommandContext['env']): TuneRequest {
  const { models, threads, workers } = flags;
  const { config } = loadConfig({ file: flags.config, env, flags: { models, threads, workers } });
  return {
    config,
    model,
    version: flags['model-version'],
    sloMs: positive('slo-ms', flags['slo-ms'], 86_400_000),
    ratePerSecond: positive('rate', flags.rate, 1e9),
    trafficPath: flags.traffic,
    providers: flags.providers?.split(',').map((name) => providerOf(name.trim())),
    budgetMs: 1000 * (positive('seconds', flags.seconds, 86_400) ?? 60),
    dryRun: flags['dry-run'] ?? false,
  };
}

function positive(flag: string, text: string | undefined, most: number): number | undefined {
  if (text === undefined) return undefined;
  const value = /^\d+(\.\d+)?$/.test(text) ? Number(text) : 0;
  if (value > 0 && value <= most) return value;
  throw new UsageError(`Flag --${flag} must be a number above 0 and up to ${most}, not "${text}".`);
}

function providerOf(name: string): ExecutionProvider {
  const found = providers.find((one) => one === name);
  if (found === undefined) throw new UsageError(`Flag --providers must name ${providers.join(', ')}, not "${name}".`);
  return found;
}
