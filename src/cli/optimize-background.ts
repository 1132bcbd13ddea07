/**
 * `hotpath optimize <model> --background`: a running server does the work for one of its models. Called by optimize.ts; asks the admin
 * listener and needs no model here. What the flags may say is for the server to judge, except for what is a number.
 */
import { apiKeyVariable, askAdmin, defaultAdminUrl } from './ask-admin.ts';
import { AskError } from './ask-server.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { type CommandFlags, readFlags } from './command-flags.ts';
import { followTask } from './follow-task.ts';
import { optimizeFlags } from './optimize-flags.ts';
import { parseShare } from './share-flag.ts';
import type { TaskView } from './task-view.ts';

export const backgroundHelp = `With --background a running server does it for one of its models, whose name stands in the place of the file; the chosen variant becomes
the next version of that model. Flags as above, and:

  --background       Ask the server; hotpath tasks shows how far it is
  --version <v>      A version or a label [the newest]
  --data <file>      File, or folder of pictures, in the model's folder on the server
  --hours <n>        Instead of --data: the most frequent inputs of the last hours of the prediction log
  --top <n>          Most of them [2000]
  --no-register      Leave the repository as it is; the variant stays in the folder of the task
  --follow           Stay and show how far it is
  --url <admin>      Address of the admin listener [${defaultAdminUrl}]; with access control on, ${apiKeyVariable} holds the key`;

const options = {
  ...optimizeFlags,
  background: { type: 'boolean' },
  version: { type: 'string' },
  hours: { type: 'string' },
  top: { type: 'string' },
  'no-register': { type: 'boolean' },
  follow: { type: 'boolean' },
  url: { type: 'string' },
} as const;

/** They are of a run without a server. */
const notHere = ['out', 'name', 'report', 'register', 'models', 'force', 'class-names'] as const;

type Flags = CommandFlags<typeof options>;

export async function run(args: readonly string[], { terminal, env }: CommandContext): Promise<ExitCode> {
  const { model, flags } = parse(args);
  const body = bodyOf(flags);
  const target = { url: flags.url ?? defaultAdminUrl, apiKey: env[apiKeyVariable] };
  const json = flags.json ?? false;
  try {
    const path = `/admin/models/${encodeURIComponent(model)}/optimize`;
    const task = (await askAdmin(target, path, body)) as TaskView;
    if (flags.follow === true) return await followTask({ target, json, terminal }, task.id);
    if (json) terminal.out(JSON.stringify(task, undefined, 2));
    else
      terminal.out(
        `${task.id}\nThe server works on it in the background. See how far it is: hotpath tasks ${task.id} --follow`,
      );
    return 0;
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    terminal.err(`hotpath: ${error.message}`);
    return 1;
  }
}

function parse(args: readonly string[]): { readonly model: string; readonly flags: Flags } {
  const { values: flags, positionals } = readFlags(args, options);
  const [model, ...more] = positionals;
  if (model === undefined || model === '' || more.length > 0)
    throw new UsageError('Give the name of one model of the server.');
  if (/[/\\]/.test(model))
    throw new UsageError(`--background takes the name of a model of the server, not the file "${model}".`);
  const wrong = notHere.find((flag) => flags[flag] !== undefined);
  if (wrong !== undefined) throw new UsageError(`--background takes no --${wrong}.`);
  return { model, flags };
}

function bodyOf(flags: Flags): object {
  const { version, data, labels, target, task, passes } = flags;
  const body = {
    version,
    file: data,
    hours: numberOf('hours', flags.hours),
    top: numberOf('top', flags.top),
    labels,
    image: flags.image,
    imageSize: flags['image-size'],
    maxDrop: flags['max-drop'] === undefined ? undefined : parseShare('max-drop', flags['max-drop']),
    target,
    task,
    passes: passes?.split(',').map((name) => name.trim()),
    seconds: numberOf('seconds', flags.seconds),
    register: flags['no-register'] === true ? false : undefined,
  };
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

function numberOf(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new UsageError(`Flag --${flag} must be a number, not "${text}".`);
}
