/**
 * Finds the command, runs it, and turns what it throws into a message and an exit code. Called by main.ts.
 * Commands are imported only when asked for, so that `hotpath --help` does not load the server.
 */
import { ConfigError } from '../config/config-error.ts';
import { didYouMean } from '../config/suggest.ts';
import { packageVersion } from '../config/version.ts';
import { type Command, type CommandContext, type ExitCode, UsageError } from './command.ts';

interface CommandEntry {
  readonly summary: string;
  readonly load: () => Promise<Command>;
}

const commands: Readonly<Record<string, CommandEntry>> = {
  serve: { summary: 'Serve the models of a folder over HTTP', load: () => import('./serve.ts') },
  config: {
    summary: 'Print the effective configuration and where each value came from',
    load: () => import('./config.ts'),
  },
  models: { summary: 'List the models of a running server', load: () => import('./models.ts') },
  predict: { summary: 'Ask a running server for one prediction', load: () => import('./predict.ts') },
  cache: { summary: 'Show, fill or empty the cache of a running server', load: () => import('./cache.ts') },
  db: { summary: 'Migrate, inspect or prune the database', load: () => import('./db.ts') },
  keys: { summary: 'Make, list and revoke API keys', load: () => import('./keys.ts') },
  auth: { summary: 'Hash a password, or rotate the keys that sign tokens', load: () => import('./auth.ts') },
  inspect: { summary: 'Show what is inside an ONNX file', load: () => import('./inspect.ts') },
  optimize: { summary: 'Make a model faster or smaller, and prove it on data', load: () => import('./optimize.ts') },
  tasks: { summary: 'Show or cancel the background tasks of a running server', load: () => import('./tasks.ts') },
  tune: { summary: 'Find the fastest settings of a model on this machine', load: () => import('./tune.ts') },
  train: { summary: 'Learn from a CSV table and write an ONNX model', load: () => import('./train.ts') },
  types: { summary: 'Write TypeScript types of models, for the typed clients', load: () => import('./types.ts') },
};

function generalHelp(): string {
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`);
  return `Usage: hotpath <command> [flags]

Commands:
${lines.join('\n')}

  hotpath <command> --help   Flags of a command
  hotpath --version          Version`;
}

async function runCommand(name: string, args: readonly string[], context: CommandContext): Promise<ExitCode> {
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (entry === undefined) {
    throw new UsageError(
      `Unknown command "${name}".${didYouMean(name, Object.keys(commands), (known) => `"${known}"`)}`,
    );
  }
  const command = await entry.load();
  if (args.includes('--help') || args.includes('-h')) {
    context.terminal.out(command.help);
    return 0;
  }
  return command.run(args, context);
}

function complain(error: unknown, name: string | undefined, { terminal }: CommandContext): ExitCode {
  const isUsage = error instanceof UsageError;
  if (!isUsage && !(error instanceof ConfigError)) throw error;
  const problems = isUsage ? [error.message] : error.problems;
  for (const problem of problems) terminal.err(`hotpath: ${problem}`);
  const known = name !== undefined && Object.hasOwn(commands, name);
  terminal.err(`Try: hotpath ${known ? `${name} ` : ''}--help`);
  return 2;
}

/** @param args without `node` and the script. */
export async function runCli(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  const [name, ...rest] = args;
  try {
    if (name === undefined) {
      context.terminal.err(generalHelp());
      return 2;
    }
    if (name === '--help' || name === '-h' || name === 'help') {
      const topic = rest.find((arg) => !arg.startsWith('-'));
      if (topic !== undefined) return await runCommand(topic, ['--help'], context);
      context.terminal.out(generalHelp());
      return 0;
    }
    if (name === '--version' || name === '-v' || name === 'version') {
      context.terminal.out(packageVersion());
      return 0;
    }
    return await runCommand(name, rest, context);
  } catch (error) {
    return complain(error, name, context);
  }
}
