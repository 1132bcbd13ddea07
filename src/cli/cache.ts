/** `hotpath cache`: what a running server remembers, forgetting it, filling it. Asks the admin listener; works without any model here. */
import { type AdminTarget, apiKeyVariable, askAdmin, askAdminLines, defaultAdminUrl } from './ask-admin.ts';
import { AskError } from './ask-server.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { type CommandFlags, readFlags } from './command-flags.ts';
import { ProgressLine, renderDuration, renderProgress } from './progress-line.ts';
import { renderTable } from './table.ts';
import type { Style, Terminal } from './terminal.ts';

export const help = `Usage: hotpath cache status
       hotpath cache invalidate <model | pattern> [--version <v>]
       hotpath cache warm <model> [--version <v>] [--hours <n>] [--top <n>] [--file <lines.jsonl>]

Shows what the cache of a running server holds, drops the answers of a model or of all whose names fit a pattern with *, or fills
it: without --hours and --file as the model's configuration says, else with the most frequent inputs of the last 24 hours.
Interrupting "warm" ends it; what is cached by then stays.

  --version <v>   One version [invalidate: all, warm: the newest]
  --hours <n>     The most frequent inputs of the last hours of the prediction log
  --top <n>       Most inputs [1000 of the log, all of a file]
  --file <name>   File in the model's folder on the server, one JSON body of a predict request per line
  --url <admin>   Address of the admin listener [${defaultAdminUrl}]
  --json          Print the server's answer as it is; "warm": its lines

With access control on, ${apiKeyVariable} holds the key.`;

const options = {
  version: { type: 'string' },
  hours: { type: 'string' },
  top: { type: 'string' },
  file: { type: 'string' },
  url: { type: 'string' },
  json: { type: 'boolean' },
} as const;

type Flags = CommandFlags<typeof options>;
type Flag = keyof typeof options;

interface Asked {
  readonly target: AdminTarget;
  readonly json: boolean;
  readonly terminal: Terminal;
}

export async function run(args: readonly string[], { terminal, env }: CommandContext): Promise<ExitCode> {
  const { flags, act } = parse(args);
  const target = { url: flags.url ?? defaultAdminUrl, apiKey: env[apiKeyVariable] };
  try {
    return await act({ target, json: flags.json ?? false, terminal });
  } catch (error) {
    if (!(error instanceof AskError)) throw error;
    terminal.err(`hotpath: ${error.message}`);
    return 1;
  }
}

type Act = (asked: Asked) => Promise<ExitCode>;

function parse(args: readonly string[]): { readonly flags: Flags; readonly act: Act } {
  const { values: flags, positionals } = readFlags(args, options);
  const [action, ...names] = positionals;
  switch (action) {
    case 'status':
      expectNames(names, 0, 'status takes no name.');
      refuseFlags(action, flags, ['version', 'hours', 'top', 'file']);
      return { flags, act: showStatus };
    case 'invalidate':
      expectNames(names, 1, 'Give one model, or a pattern such as "fraud-*"; "*" is everything.');
      refuseFlags(action, flags, ['hours', 'top', 'file']);
      return { flags, act: (asked) => invalidate(asked, compact({ model: names[0], version: flags.version })) };
    case 'warm': {
      expectNames(names, 1, 'Give the name of one model.');
      const { version, file } = flags;
      const [hours, top] = [numberOf('hours', flags.hours), numberOf('top', flags.top)];
      return { flags, act: (asked) => warm(asked, compact({ model: names[0], version, hours, top, file })) };
    }
    default:
      throw new UsageError(action === undefined ? 'Say status, invalidate or warm.' : `Unknown action "${action}".`);
  }
}

function expectNames(names: readonly string[], count: number, sentence: string): void {
  if (names.length !== count || names[0] === '') throw new UsageError(sentence);
}

function refuseFlags(action: string, flags: Flags, refused: readonly Flag[]): void {
  const given = refused.find((flag) => flags[flag] !== undefined);
  if (given !== undefined) throw new UsageError(`${action} takes no --${given}.`);
}

/** What numbers are allowed is for the server to say. */
function numberOf(flag: Flag, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value))
    throw new UsageError(`Flag --${flag} must be a number, not "${text}".`);
  return value;
}

function compact(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

/** The parts of the answers that are shown. */
interface Status {
  readonly processes: number;
  readonly tiers: readonly {
    readonly tier: string;
    readonly state: string;
    readonly entries?: number;
    readonly bytes?: number;
    readonly maxBytes?: number;
  }[];
  readonly models: readonly {
    readonly model: string;
    readonly version: string;
    readonly entries: number;
    readonly bytes: number;
  }[];
}

async function showStatus({ target, json, terminal }: Asked): Promise<ExitCode> {
  const answer = await askAdmin(target, '/admin/cache');
  terminal.out(json ? JSON.stringify(answer, undefined, 2) : renderStatus(answer as Status, terminal.style));
  return 0;
}

function renderStatus({ processes, tiers, models }: Status, style: Pick<Style, 'bold'>): string {
  const tierRows = tiers.map(({ tier, state, entries, bytes, maxBytes }) => [
    tier,
    state === 'closed' ? 'ok' : 'failing',
    entries?.toString() ?? '-',
    size(bytes),
    size(maxBytes),
  ]);
  const parts = [renderTable(['TIER', 'STATE', 'ENTRIES', 'SIZE', 'LIMIT'], tierRows, style)];
  if (models.length > 0) {
    const rows = models.map(({ model, version, entries, bytes }) => [model, version, String(entries), size(bytes)]);
    parts.push(renderTable(['MODEL', 'VERSION', 'ENTRIES', 'SIZE'], rows, style));
  } else {
    parts.push('Nothing is in memory.');
  }
  if (processes > 1) parts.push(`Memory of ${processes} processes together.`);
  return parts.join('\n\n');
}

/** `3.4 MiB`. */
function size(bytes: number | undefined): string {
  if (bytes === undefined) return '-';
  if (bytes < 1024) return `${bytes} B`;
  const exponent = Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** exponent).toFixed(1)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][exponent]}`;
}

interface Dropped {
  readonly dropped: Readonly<Record<string, number>>;
  readonly failed: readonly string[];
}

/** Fails when a tier could not be asked: its old answers may still be given. */
async function invalidate({ target, json, terminal }: Asked, body: object): Promise<ExitCode> {
  const answer = (await askAdmin(target, '/admin/cache/invalidate', body)) as Dropped;
  if (json) {
    terminal.out(JSON.stringify(answer, undefined, 2));
  } else {
    const rows = Object.entries(answer.dropped).map(([tier, count]) => [tier, String(count)]);
    terminal.out(renderTable(['TIER', 'DROPPED'], rows, terminal.style));
  }
  for (const what of answer.failed) {
    const text = what === 'announcement' ? 'other servers could not be told' : `${what} could not be asked`;
    terminal.err(`hotpath: ${text}; entries there stay until they expire.`);
  }
  return answer.failed.length === 0 ? 0 : 1;
}

interface WarmLine {
  readonly state: string;
  readonly model: string;
  readonly version: string;
  readonly total?: number;
  readonly computed: number;
  readonly cached: number;
  readonly failed: number;
  readonly skipped: number;
  readonly elapsedMs: number;
  readonly perSecond: number;
  readonly remainingMs?: number;
  readonly reason?: string;
  readonly errors?: readonly string[];
}

/** Fails when it ended early or any input failed. */
async function warm({ target, json, terminal }: Asked, body: object): Promise<ExitCode> {
  const stream = terminal.errStream ?? { write: (text: string) => terminal.err(text.trimEnd()) };
  const progress = new ProgressLine(stream, () => performance.now());
  let last: WarmLine | undefined;
  try {
    for await (const line of askAdminLines(target, '/admin/cache/warm', body)) {
      last = line as WarmLine;
      if (json) terminal.out(JSON.stringify(line));
      else if (last.state === 'waiting') progress.show('Waiting: another warm-up runs.');
      else if (last.state === 'warming') progress.show(renderProgress({ ...rates(last), done: doneOf(last) }));
    }
  } finally {
    progress.clear();
  }
  if (last?.state !== 'done' && last?.state !== 'stopped') throw new AskError(`${target.url} broke off its answer.`);
  if (!json) terminal.out(renderWarmed(last));
  if (!json) for (const error of last.errors ?? []) terminal.err(`hotpath: ${error}`);
  return last.state === 'done' && last.failed === 0 ? 0 : 1;
}

function rates({ total, perSecond, remainingMs }: WarmLine) {
  return { total, perSecond, remainingMs };
}

function doneOf({ computed, cached, failed, skipped }: WarmLine): number {
  return computed + cached + failed + skipped;
}

function renderWarmed(line: WarmLine): string {
  const { state, model, version, computed, cached, failed, skipped, elapsedMs, reason } = line;
  const left = skipped > 0 ? `, ${skipped} no longer fit` : '';
  const ended = state === 'done' ? ` in ${renderDuration(elapsedMs)}` : `; stopped: ${reason}`;
  return `${model} ${version}: ${computed} computed, ${cached} cached already, ${failed} failed${left}${ended}`;
}
