/** `hotpath keys`: makes, lists and revokes API keys, directly in the database of the configuration. Running servers notice within 2 s. */
import { keyCrypto } from '../adapters/auth/digest.ts';
import { systemClock } from '../adapters/system-clock.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { createKeyAdmin, type KeyAdmin } from '../core/access/key-admin.ts';
import { HotpathError } from '../core/errors.ts';
import type { Database } from '../ports/database.ts';
import { databaseOptions, openDatabase } from '../server-database.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { type CommandFlags, readFlags } from './command-flags.ts';
import { renderTable } from './table.ts';

export const help = `Usage: hotpath keys create --name <text> --role predict|operate|admin [--models <patterns>] [--rate <n>]
                           [--burst <n>] [--per-day <n>] [--concurrency <n>] [--expires <time>]
       hotpath keys list [--json]
       hotpath keys revoke <id>

Works on the database of the configuration. Running servers know of a change within two seconds.

  --name <text>         Who or what uses the key
  --role <role>         predict: ask models; operate: load and unload them too; admin: everything
  --models <patterns>   Models it may ask, separated by commas, * for any characters [all]
  --rate <n>            Requests per second [as configured]
  --burst <n>           Requests at once after a pause [as --rate]
  --per-day <n>         Requests per day, UTC [as configured]
  --concurrency <n>     Requests in progress [no limit]
  --expires <time>      Such as 12h, 90d or 1y from now [never]
  --json                Print JSON
  --config <file>       JSON file of settings (also HOTPATH_CONFIG)
  --database-url <url>  The database, instead of the configured one`;

const options = {
  name: { type: 'string' },
  role: { type: 'string' },
  models: { type: 'string' },
  rate: { type: 'string' },
  burst: { type: 'string' },
  'per-day': { type: 'string' },
  concurrency: { type: 'string' },
  expires: { type: 'string' },
  json: { type: 'boolean' },
  config: { type: 'string' },
  'database-url': { type: 'string' },
} as const;

type Flags = CommandFlags<typeof options>;

export type KeyDatabase = Pick<Database, 'keys' | 'audit' | 'close'>;
/** Ready to use: with its schema up to date. */
export type OpenKeyDatabase = (config: Config, terminal: CommandContext['terminal']) => Promise<KeyDatabase>;

export async function run(args: readonly string[], context: CommandContext): Promise<ExitCode> {
  return runKeys(args, context, openConfigured);
}

export async function runKeys(
  args: readonly string[],
  { terminal, env }: CommandContext,
  open: OpenKeyDatabase,
): Promise<ExitCode> {
  const { flags, act } = parse(args);
  const { config } = loadConfig({ file: flags.config, env, flags: { 'database-url': flags['database-url'] } });
  let database: KeyDatabase | undefined;
  try {
    database = await open(config, terminal);
    await act(database, terminal);
    return 0;
  } catch (error) {
    // Drivers say what is wrong with the address or the server; a stack would not help the operator.
    terminal.err(`hotpath: ${(error as Error).message}`);
    return error instanceof HotpathError && error.code === 'INVALID_INPUT' ? 2 : 1;
  } finally {
    await database?.close();
  }
}

type Act = (database: KeyDatabase, terminal: CommandContext['terminal']) => Promise<void>;

function parse(args: readonly string[]): { readonly flags: Flags; readonly act: Act } {
  const { values: flags, positionals } = readFlags(args, options);
  const [action, ...rest] = positionals;
  const act = actOf(action, rest, flags);
  return { flags, act };
}

function actOf(action: string | undefined, rest: readonly string[], flags: Flags): Act {
  if (rest.length > (action === 'revoke' ? 1 : 0)) throw new UsageError(`Unexpected argument "${rest.at(-1)}".`);
  if (action === 'create') {
    const body = bodyOf(flags);
    return (database, terminal) => create(database, body, flags.json === true, terminal);
  }
  if (action === 'list') return ({ keys }, terminal) => list(adminOf(keys), flags.json === true, terminal);
  if (action !== 'revoke') throw new UsageError('Say what to do: create, list or revoke.');
  const [id] = rest;
  if (id === undefined) throw new UsageError('Give the id of the key to revoke; hotpath keys list shows it.');
  return (database, terminal) => revoke(database, id, terminal);
}

async function create(
  { keys, audit }: KeyDatabase,
  body: unknown,
  json: boolean,
  terminal: CommandContext['terminal'],
): Promise<void> {
  const admin = adminOf(keys);
  const { key, stored } = await admin.create(body);
  await audit.append({ createdMs: Date.now(), caller: 'cli', action: 'key.create', target: stored.id, outcome: 'OK' });
  terminal.out(json ? JSON.stringify({ ...admin.describe(stored), key }, undefined, 2) : key);
  terminal.err(`This is the key "${stored.name}" (${stored.id}). It is not stored and cannot be shown again.`);
}

async function list(admin: KeyAdmin, json: boolean, { out, style }: CommandContext['terminal']): Promise<void> {
  const keys = await admin.list();
  if (json) return out(JSON.stringify({ keys }, undefined, 2));
  if (keys.length === 0) return out('No keys. Make one with: hotpath keys create --name ci --role predict');
  const rows = keys.map(({ id, name, role, models, state, created, expires }) => {
    return [id, name, role, models?.join(',') ?? '*', state, created.slice(0, 10), expires?.slice(0, 10) ?? 'never'];
  });
  out(renderTable(['ID', 'NAME', 'ROLE', 'MODELS', 'STATE', 'CREATED', 'EXPIRES'], rows, style));
}

async function revoke({ keys, audit }: KeyDatabase, id: string, { out }: CommandContext['terminal']): Promise<void> {
  await adminOf(keys).revoke(id);
  await audit.append({ createdMs: Date.now(), caller: 'cli', action: 'key.revoke', target: id, outcome: 'OK' });
  out(`Revoked ${id}. Running servers refuse it within two seconds.`);
}

function adminOf(store: Database['keys']): KeyAdmin {
  return createKeyAdmin({ store, crypto: keyCrypto, unixMs: Date.now });
}

/** The flags as the admin API would get them, so that both are checked by the same rules. */
function bodyOf(flags: Flags): unknown {
  const { name, role, models, expires } = flags;
  if (name === undefined || role === undefined) throw new UsageError('A key needs --name and --role.');
  const limits = {
    requestsPerSecond: numberOf(flags, 'rate'),
    burst: numberOf(flags, 'burst'),
    requestsPerDay: numberOf(flags, 'per-day'),
    concurrency: numberOf(flags, 'concurrency'),
  };
  const patterns = models?.split(',').map((pattern) => pattern.trim());
  return {
    name,
    role,
    models: patterns,
    limits,
    expiresInSeconds: expires === undefined ? undefined : secondsOf(expires),
  };
}

function numberOf(flags: Flags, name: 'rate' | 'burst' | 'per-day' | 'concurrency'): number | undefined {
  const text = flags[name];
  if (text === undefined) return undefined;
  if (!/^\d+(\.\d+)?$/.test(text)) throw new UsageError(`--${name} must be a number.`);
  return Number(text);
}

const unitSeconds: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400, w: 604_800, y: 31_536_000 };

function secondsOf(text: string): number {
  const match = /^(\d{1,6})([mhdwy])$/.exec(text);
  if (match === null) throw new UsageError('--expires must be a time such as 30m, 12h, 90d, 8w or 1y.');
  return Number(match[1]) * unitSeconds[match[2]!]!;
}

async function openConfigured(config: Config, { err }: CommandContext['terminal']): Promise<KeyDatabase> {
  const silent = () => {};
  const warn = (_: object, message: string) => err(`hotpath: ${message}`);
  const logger = { debug: silent, info: silent, warn, error: warn };
  const database = await openDatabase({ ...databaseOptions(config), clock: systemClock, logger });
  try {
    if (config.databaseMigrate) await database.migrate();
    return database;
  } catch (error) {
    await database.close();
    throw error;
  }
}
