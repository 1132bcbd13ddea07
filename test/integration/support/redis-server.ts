/**
 * A redis-server of a test's own: on a free port, with nothing on disk, killed when the test process ends at the latest. Tests skip
 * with `withoutRedis()` where there is no such program, unless services are required.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../../../src/cli/free-port.ts';

/** Why tests with Redis are skipped; false where it is there. @throws when HOTPATH_TEST_REQUIRE_SERVICES=1 and it is not. */
export function withoutRedis(): string | false {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' });
    return false;
  } catch {
    const reason = 'no redis-server (Debian package redis-server)';
    if (process.env.HOTPATH_TEST_REQUIRE_SERVICES === '1') throw new Error(reason);
    return reason;
  }
}

export interface RedisServerOptions {
  readonly password?: string;
  /** Answers TLS on its port instead of plain text. */
  readonly tls?: { readonly tlsCert: string; readonly tlsKey: string };
  /** A port that is free; default: any. */
  readonly port?: number;
}

export interface RedisServer extends AsyncDisposable {
  readonly port: number;
  /** With the password, when there is one. */
  readonly url: string;
  /** SIGKILL; what it held is gone. */
  kill(): Promise<void>;
  /** On the same port, empty. */
  restart(): Promise<void>;
  /** Stands still: accepts connections, answers nothing. */
  pause(): void;
  resume(): void;
  stop(): Promise<void>;
}

export async function startRedisServer(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), 'hotpath-redis-'));
  let child = await launch(port, folder, options);
  const abandon = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  };
  process.once('exit', abandon);
  const kill = () => end(child);
  const stop = async () => {
    await kill();
    process.off('exit', abandon);
    rmSync(folder, { recursive: true, force: true });
  };
  const { password, tls } = options;
  return {
    port,
    url: `${tls === undefined ? 'redis' : 'rediss'}://${password === undefined ? '' : `:${password}@`}127.0.0.1:${port}`,
    kill,
    restart: async () => {
      await kill();
      child = await launch(port, folder, options);
    },
    pause: () => void child.kill('SIGSTOP'),
    resume: () => void child.kill('SIGCONT'),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function launch(port: number, folder: string, { password, tls }: RedisServerOptions): Promise<ChildProcess> {
  const flags = ['--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder];
  if (password !== undefined) flags.push('--requirepass', password);
  if (tls === undefined) flags.push('--port', `${port}`);
  else {
    flags.push('--port', '0', '--tls-port', `${port}`, '--tls-auth-clients', 'no');
    flags.push('--tls-cert-file', tls.tlsCert, '--tls-key-file', tls.tlsKey, '--tls-ca-cert-file', tls.tlsCert);
  }
  const child = spawn('redis-server', flags, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const deadline = performance.now() + 15_000;
  while (!output.includes('Ready to accept connections') || !(await accepts(port))) {
    if (child.exitCode !== null || performance.now() > deadline) {
      await end(child);
      throw new Error(`redis-server did not start: ${output}`);
    }
    await delay(10);
  }
  return child;
}

/** Whether something listens on this port of 127.0.0.1. */
export async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  // Also ends a process that is stopped.
  child.kill('SIGKILL');
  await once(child, 'exit');
}
