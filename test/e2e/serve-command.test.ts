/** `hotpath serve` as a user runs it: a real process in an empty folder. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'hotpath-e2e-'));
after(() => rmSync(folder, { recursive: true, force: true }));

interface Serving {
  readonly child: ChildProcess;
  readonly exit: Promise<number | null>;
  /** Everything printed so far. */
  output(): string;
  errors(): string;
}

function spawnServe(test: TestContext, ...flags: string[]): Serving {
  const child = spawn(process.execPath, [main, 'serve', '--port=0', '--admin-port=0', '--grpc-port=0', ...flags], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HOTPATH_LOG_LEVEL: 'warn' },
  });
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  test.after(async () => {
    child.kill('SIGKILL');
    await exit;
  });
  return { child, exit, output: () => out, errors: () => err };
}

/** Waits for the start-up message. @returns the address in it. */
async function urlOf(serving: Serving): Promise<string> {
  for (;;) {
    const found = /serves at (http:\S+)[\s\S]*Try:\n {2}curl /.exec(serving.output());
    if (found !== null) return found[1]!;
    const ended = await Promise.race([
      serving.exit.then(() => true),
      new Promise((resolve) => serving.child.stdout!.once('data', () => resolve(false))),
    ]);
    if (ended === true) throw new Error(`The server ended: ${serving.errors()}`);
  }
}

async function predictIris(url: string): Promise<unknown> {
  const response = await fetch(`${url}/api/v1/predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify({ model: 'iris', features: [5.1, 3.5, 1.4, 0.2] }),
  });
  return ((await response.json()) as { label?: string }).label;
}

describe('hotpath serve', () => {
  it('serves the iris example in an empty folder, says so, and ends with 0 on SIGTERM', async (test) => {
    const serving = spawnServe(test);
    const url = await urlOf(serving);
    assert.equal(await predictIris(url), 'setosa');
    assert.match(serving.errors(), /trained a random forest on the Iris data/);
    assert.match(serving.output(), /Models {2}iris\n {2}Docs {4}http.*\/docs\n {2}gRPC {4}grpc:.*\n {2}Admin {3}http:/);
    assert.ok(serving.output().split('\n').length < 24, 'the start-up message fits a screen');
    serving.child.kill('SIGTERM');
    assert.equal(await serving.exit, 0);
  });

  it('answers the line it tells the user to try', async (test) => {
    const serving = spawnServe(test);
    const url = await urlOf(serving);
    const [, target, header, body] = /curl -s (\S+) -H '([^']+)' -d '([^']+)'/.exec(serving.output())!;
    const [name, value] = header!.split(': ') as [string, string];
    const response = await fetch(target!, { method: 'POST', headers: { [name]: value }, body: body! });
    assert.equal(response.status, 200);
    assert.ok(target!.startsWith(url));
    assert.equal(((await response.json()) as { prediction: unknown }).prediction, 0);
  });

  it('keeps answering with two processes while one is killed, and counts both in /metrics', {
    skip: process.platform !== 'linux',
  }, async (test) => {
    const serving = spawnServe(test, '--workers=2');
    const url = await urlOf(serving);
    for (let request = 0; request < 20; request++) assert.equal(await predictIris(url), 'setosa');
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const ok = [...metrics.matchAll(/^hotpath_requests_total\{[^}]*model="iris"[^}]*code="OK"[^}]*\} (\d+)$/gm)];
    assert.equal(
      ok.reduce((sum, [, count]) => sum + Number(count), 0),
      20,
    );
    const kids = await childrenOf(serving.child.pid!);
    assert.equal(kids.length, 2);
    process.kill(kids[0]!, 'SIGKILL');
    const isWhole = async () => (await childrenOf(serving.child.pid!)).filter((pid) => pid !== kids[0]).length === 2;
    while (!(await isWhole())) {
      // What the killed process had begun to read is reset; everything else is answered, and right.
      const label = await predictIris(url).catch(() => 'setosa');
      assert.equal(label, 'setosa');
    }
    assert.equal(await predictIris(url), 'setosa');
    serving.child.kill('SIGTERM');
    assert.equal(await serving.exit, 0);
  });

  it('explains a port in use and ends with 1', async (test) => {
    const blocker = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => blocker.once('listening', resolve));
    test.after(() => blocker.close());
    const { port } = blocker.address() as AddressInfo;
    for (const workers of ['1', '2']) {
      const serving = spawnServe(test, `--port=${port}`, `--workers=${workers}`);
      assert.equal(await serving.exit, 1);
      assert.match(serving.errors(), new RegExp(`hotpath: Cannot listen at 127.0.0.1:${port}: the address is in use`));
    }
  });
});

/** Process ids of the direct children, from /proc. */
async function childrenOf(pid: number): Promise<number[]> {
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return text.trim().split(' ').filter(Boolean).map(Number);
}
