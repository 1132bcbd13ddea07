/**
 * A PostgreSQL server of a test's own: made in a temporary folder, on a free port, behind a password, killed when the test process ends
 * at the latest. PostgreSQL refuses to run as root, so as root it runs as the user `postgres`. Tests skip with `withoutPostgres()`
 * where there is no such program, unless services are required.
 */
import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../../src/cli/free-port.ts';
import { accepts } from './redis-server.ts';

const versions = '/usr/lib/postgresql';
/** Must never be seen in a message. */
export const postgresPassword = 'open-sesame-4711';

function findPrograms(): string | undefined {
  if (!existsSync(versions)) return undefined;
  const folders = readdirSync(versions).map((version) => join(versions, version, 'bin'));
  return folders.filter((folder) => existsSync(join(folder, 'initdb'))).at(-1);
}

/** Why tests with PostgreSQL are skipped; false where it is there. @throws when HOTPATH_TEST_REQUIRE_SERVICES=1 and it is not. */
export function withoutPostgres(): string | false {
  if (findPrograms() !== undefined) return false;
  const reason = 'no PostgreSQL server (Debian package postgresql)';
  if (process.env.HOTPATH_TEST_REQUIRE_SERVICES === '1') throw new Error(reason);
  return reason;
}

export interface PostgresServer extends AsyncDisposable {
  readonly port: number;
  /** With user and password. */
  readonly url: string;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** On the same port, with what is on the disk. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface PostgresOptions {
  /** Only tests of durability need the disk's word. @default false */
  readonly durable?: boolean;
  readonly maxConnections?: number;
}

function identity(): Pick<SpawnOptions, 'uid' | 'gid'> {
  if (process.getuid?.() !== 0) return {};
  const ask = (flag: string) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: ask('-u'), gid: ask('-g') };
}

export async function startPostgresServer(options: PostgresOptions = {}): Promise<PostgresServer> {
  const programs = findPrograms()!;
  const user = identity();
  const folder = mkdtempSync(join(tmpdir(), 'hotpath-pg-'));
  const passwordFile = join(folder, 'password');
  writeFileSync(passwordFile, postgresPassword);
  if (user.uid !== undefined) for (const path of [folder, passwordFile]) chownSync(path, user.uid, user.gid!);
  const data = join(folder, 'data');
  const initFlags = ['-D', data, '-U', 'hotpath', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '-E', 'UTF8'];
  execFileSync(join(programs, 'initdb'), [...initFlags, '--no-sync', '--locale=C.UTF-8'], {
    ...user,
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const port = await freePort();
  const launch = () => run(join(programs, 'postgres'), data, folder, port, user, options);
  let child = await launch();
  const abandon = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', abandon);
  const stop = async () => {
    await end(child);
    process.off('exit', abandon);
    rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
  };
  return {
    port,
    url: `postgres://hotpath:${postgresPassword}@127.0.0.1:${port}/postgres`,
    kill: () => end(child),
    start: async () => {
      child = await launch();
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function run(
  program: string,
  data: string,
  folder: string,
  port: number,
  user: Pick<SpawnOptions, 'uid' | 'gid'>,
  { durable = false, maxConnections = 60 }: PostgresOptions,
): Promise<ChildProcess> {
  const settings = [
    `port=${port}`,
    'listen_addresses=127.0.0.1',
    `unix_socket_directories=${folder}`,
    'shared_buffers=64MB',
    `max_connections=${maxConnections}`,
    ...(durable ? [] : ['fsync=off', 'full_page_writes=off']),
  ];
  const flags = settings.flatMap((setting) => ['-c', setting]);
  const deadline = performance.now() + 30_000;
  for (;;) {
    const child = spawn(program, ['-D', data, ...flags], { ...user, cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      log = (log + text).slice(-20_000);
    });
    while (child.exitCode === null && child.signalCode === null && performance.now() < deadline) {
      if (log.includes('ready to accept connections') && (await accepts(port))) return child;
      await delay(20);
    }
    await end(child);
    // After a SIGKILL the old server's processes take a moment to notice and let go of its memory.
    if (performance.now() > deadline || !/in use|already exists|still/.test(log))
      throw new Error(`postgres did not start: ${log}`);
    await delay(50);
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const backends = childrenOf(child.pid!);
  child.kill('SIGKILL');
  await once(child, 'exit');
  // They would notice the death of their parent only after what they are doing.
  for (const pid of backends) killQuietly(pid);
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has noticed already.
  }
}
