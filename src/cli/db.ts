/**
 * `hotpath db`: the schema, the state and the retention of the database, without a server. Reads the settings as `serve` does, and opens
 * what databaseUrl names. It must never print the URL of a server, which may hold a password.
 */
import { systemClock } from '../adapters/system-clock.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { parseDurationMs } from '../config/units.ts';
import { HotpathError } from '../core/errors.ts';
import type { Database } from '../ports/database.ts';
import type { Logger } from '../ports/logger.ts';
import type { StoreStatus } from '../ports/prediction-store.ts';
import { databaseOptions, openDatabase } from '../server-database.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { parseSettingFlags } from './parse-flags.ts';
import { renderTable } from './table.ts';
import type { Terminal } from './terminal.ts';

export const help = `Usage: hotpath db <migrate|status|prune> [--database-url <url>] [--config <file>] [--json]

  migrate   Bring the schema up to date
  status    Show what is stored and which migrations are pending
  prune     Delete predictions that are too old

  --database-url <url>   sqlite:<file> or postgres://user:password@host:port/database (also HOTPATH_DATABASE_URL)
  --older-than <age>     For prune: 30d, 12h, 90m ... [predictionRetentionDays]
  --config <file>        JSON file of settings (also HOTPATH_CONFIG)
  --json                 Print JSON instead of sentences and tables`;

const actions = ['migrate', 'status', 'prune'] as const;
type Action = (typeof actions)[number];
const dayMs = 86_400_000;

interface Request {
  readonly action: Action;
  readonly config: Config;
  readonly json: boolean;
  readonly olderThanMs: number | undefined;
}

function parseAge(text: string | undefined): number {
  const days = /^(\d+(?:\.\d+)?)\s*d$/i.exec(text ?? '');
  const ageMs = days === null ? parseDurationMs(text ?? '') : Number(days[1]) * dayMs;
  if (ageMs === undefined)
    throw new UsageError('Flag --older-than must be followed by an age such as 30d, 12h or 90m.');
  return ageMs;
}

/** Takes `--older-than 30d` or `--older-than=30d` out of the arguments. */
function takeAge(args: string[]): number | undefined {
  const at = args.findIndex((arg) => arg === '--older-than' || arg.startsWith('--older-than='));
  if (at === -1) return undefined;
  const inline = args[at]!.split('=')[1];
  const taken = args.splice(at, inline === undefined ? 2 : 1);
  return parseAge(inline ?? taken[1]);
}

function parse(args: readonly string[], env: CommandContext['env']): Request {
  const [action, ...rest] = args;
  if (action === undefined || !(actions as readonly string[]).includes(action)) {
    throw new UsageError(`hotpath db must be followed by ${actions.join(', ')}.`);
  }
  const olderThanMs = takeAge(rest);
  if (olderThanMs !== undefined && action !== 'prune')
    throw new UsageError('Flag --older-than belongs to hotpath db prune.');
  const { file, flags, own } = parseSettingFlags(rest, ['json']);
  return {
    action: action as Action,
    config: loadConfig({ file, env, flags }).config,
    json: own.has('json'),
    olderThanMs,
  };
}

async function migrate(database: Database, { json }: Request, terminal: Terminal): Promise<void> {
  const applied = await database.migrate();
  if (json) terminal.out(JSON.stringify({ applied }));
  else terminal.out(applied.length === 0 ? 'The schema is up to date.' : `Applied ${applied.join(', ')}.`);
}

function renderStatus(status: StoreStatus, name: string, { style }: Terminal): string {
  const rows = [
    ['engine', status.engine],
    ['database', name],
    ['size', `${(status.sizeBytes / 2 ** 20).toFixed(1)} MiB`],
    ['predictions', status.predictions.toLocaleString('en')],
    ['oldest', status.oldestMs === undefined ? '-' : new Date(status.oldestMs).toISOString()],
    ['applied', status.applied.join(', ') || '-'],
    ['pending', status.pending.join(', ') || '-'],
  ];
  const hint = status.pending.length === 0 ? '' : '\nMigrations are pending: run `hotpath db migrate`.';
  return renderTable(['WHAT', 'VALUE'], rows, style) + hint;
}

async function showStatus(database: Database, { json, config }: Request, terminal: Terminal): Promise<void> {
  const status = await database.predictions.status();
  const place = status.engine === 'sqlite' ? config.databaseUrl : database.status().name.replace(/^database /, '');
  terminal.out(json ? JSON.stringify(status, undefined, 2) : renderStatus(status, place, terminal));
}

async function prune(database: Database, { json, config, olderThanMs }: Request, terminal: Terminal): Promise<void> {
  const ageMs = olderThanMs ?? config.predictionRetentionDays * dayMs;
  const { pending } = await database.predictions.status();
  if (pending.length > 0) {
    throw new HotpathError('INTERNAL', `Migrations are pending (${pending.join(', ')}): run \`hotpath db migrate\`.`);
  }
  const nowMs = Date.now();
  const deleted = await database.predictions.prune(nowMs - ageMs);
  await database.audit.append({
    createdMs: nowMs,
    caller: 'cli',
    action: 'db.prune',
    target: `${ageMs} ms`,
    outcome: 'OK',
  });
  terminal.out(json ? JSON.stringify({ deleted }) : `Deleted ${deleted.toLocaleString('en')} predictions.`);
}

const commands = { migrate, status: showStatus, prune } as const satisfies Record<Action, unknown>;
/** What fails is said once, by the command itself. */
const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

export async function run(args: readonly string[], { terminal, env }: CommandContext): Promise<ExitCode> {
  const request = parse(args, env);
  if (request.action === 'prune' && request.olderThanMs === undefined && request.config.predictionRetentionDays === 0) {
    throw new UsageError('predictionRetentionDays is 0 (never): hotpath db prune needs --older-than.');
  }
  let database: Database | undefined;
  try {
    database = await openDatabase({ ...databaseOptions(request.config), clock: systemClock, logger: silent });
    await commands[request.action](database, request, terminal);
    return 0;
  } catch (error) {
    if (!(error instanceof HotpathError)) throw error;
    terminal.err(`hotpath: ${error.message}`);
    return 1;
  } finally {
    await database?.close();
  }
}
