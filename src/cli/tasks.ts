/** `hotpath tasks`: the background tasks of a running server: which there are, how far one is, calling one off, taking what it found. Asks the admin listener. */
import { apiKeyVariable, askAdmin, defaultAdminUrl } from './ask-admin.ts';
import { AskError } from './ask-server.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { readFlags } from './command-flags.ts';
import { type Following, fetchTask, followTask, isEnded } from './follow-task.ts';
import { renderTask, renderTasks } from './task-text.ts';
import type { TaskView } from './task-view.ts';

export const help = `Usage: hotpath tasks
       hotpath tasks <id> [--follow]
       hotpath tasks cancel <id>
       hotpath tasks register <id>

Lists the background tasks of a running server, newest first, shows one of them, calls one off, or makes what one found the next
version of its model, if it was not to do so itself. They are asked for with hotpath optimize <model> --background.

  --follow        Stay until it has ended and show how far it is; leaving does not end the task
  --url <admin>   Address of the admin listener [${defaultAdminUrl}]
  --json          Print the server's answer as it is

With access control on, ${apiKeyVariable} holds the key. Exit codes of --follow: 0 done, 1 failed or cancelled, 3 the model is best as it is.`;

const options = { follow: { type: 'boolean' }, url: { type: 'string' }, json: { type: 'boolean' } } as const;

type Act = (asked: Following) => Promise<ExitCode>;

export async function run(args: readonly string[], { terminal, env }: CommandContext): Promise<ExitCode> {
  const { url, json, act } = parse(args);
  try {
    return await act({ target: { url, apiKey: env[apiKeyVariable] }, json, terminal });
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    terminal.err(`hotpath: ${error.message}`);
    return 1;
  }
}

function parse(args: readonly string[]): { readonly url: string; readonly json: boolean; readonly act: Act } {
  const parsed = readFlags(args, options);
  const { url = defaultAdminUrl, json = false, follow = false } = parsed.values;
  return { url, json, act: actOf(parsed.positionals, follow) };
}

function actOf([first, ...rest]: readonly string[], follow: boolean): Act {
  if (first === 'cancel' || first === 'register') {
    if (rest.length !== 1) throw new UsageError(`Give the id of one task to ${first}.`);
    if (follow) throw new UsageError(`${first} takes no --follow.`);
    return (asked) => (first === 'cancel' ? cancel : register)(asked, rest[0]!);
  }
  if (rest.length > 0) throw new UsageError('Give the id of one task.');
  if (first !== undefined) return (asked) => (follow ? followTask(asked, first) : show(asked, first));
  if (follow) throw new UsageError('--follow needs the id of a task.');
  return list;
}

async function list({ target, json, terminal }: Following): Promise<ExitCode> {
  const answer = (await askAdmin(target, '/admin/tasks')) as { readonly tasks: readonly TaskView[] };
  terminal.out(json ? JSON.stringify(answer, undefined, 2) : renderTasks(answer.tasks, Date.now(), terminal.style));
  return 0;
}

async function show({ target, json, terminal }: Following, id: string): Promise<ExitCode> {
  const task = await fetchTask(target, id);
  terminal.out(json ? JSON.stringify(task, undefined, 2) : renderTask(task, terminal.style));
  return 0;
}

async function cancel({ target, json, terminal }: Following, id: string): Promise<ExitCode> {
  const task = (await askAdmin(target, `/admin/tasks/${encodeURIComponent(id)}/cancel`, {})) as TaskView;
  if (json) terminal.out(JSON.stringify(task, undefined, 2));
  else if (task.state === 'cancelled') terminal.out('Cancelled.');
  else if (isEnded(task)) terminal.out(`It had ended before: ${task.state}.`);
  else terminal.out(`It is being stopped. See: hotpath tasks ${id}`);
  return 0;
}

async function register({ target, json, terminal }: Following, id: string): Promise<ExitCode> {
  const path = `/admin/tasks/${encodeURIComponent(id)}/register`;
  const registered = (await askAdmin(target, path, {})) as { readonly note: string };
  terminal.out(json ? JSON.stringify(registered, undefined, 2) : registered.note);
  return 0;
}
