/**
 * A gateway in front of two upstream servers, each a process of its own. One of them is killed and started again under load: no
 * request fails and no answer is another than the upstream's own.
 */
import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { get, modelFolder, post, serve, storeIris, type TestServer } from './support/serve.ts';
import { startServerProcess } from './support/server-process.ts';

const root = join(import.meta.dirname, '../..');

interface Upstream {
  readonly restPort: string;
  readonly grpcPort: string;
  readonly process: ChildProcess;
}

/** On free ports, or on the given ones. */
async function startUpstream(models: string, restPort = '0', grpcPort = '0'): Promise<Upstream> {
  const flags = ['--port', restPort, '--grpc-port', grpcPort, '--preload'];
  const { child, url, grpcUrl } = await startServerProcess(models, flags);
  return { restPort: portOf(url), grpcPort: portOf(grpcUrl), process: child };
}

function portOf(url: string): string {
  return /:(\d+)$/.exec(url)![1]!;
}

async function kill(upstream: Upstream): Promise<void> {
  const gone = once(upstream.process, 'exit');
  upstream.process.kill('SIGKILL');
  await gone;
}

async function readRows(): Promise<number[][]> {
  const [, ...lines] = (await readFile(join(root, 'data/iris.csv'), 'utf8')).trim().split('\n');
  return lines.map((line) => line.split(',').slice(0, 4).map(Number));
}

describe('a gateway in front of two upstreams', () => {
  let models: string;
  let upstreams: [Upstream, Upstream];
  let rows: number[][];
  /** The upstream's own answers. */
  let expected: unknown[];

  before(async () => {
    models = await modelFolder();
    await storeIris(models);
    upstreams = await Promise.all([startUpstream(models), startUpstream(models)]);
    rows = await readRows();
    const url = `http://127.0.0.1:${upstreams[0].restPort}/api/v1/predict`;
    expected = await Promise.all(rows.map(async (features) => answerOf(await post(url, { features }))));
  });

  after(async () => {
    await Promise.all(upstreams.map(kill));
    await rm(models, { recursive: true, force: true });
  });

  async function startGateway(addresses: readonly string[], more: object = {}): Promise<TestServer> {
    const folder = await modelFolder();
    await mkdir(join(folder, 'iris'));
    const upstream = { addresses, balance: 'round-robin', healthIntervalMs: 200, ...more };
    const classNames = ['setosa', 'versicolor', 'virginica'];
    await writeFile(join(folder, 'iris/model.json'), JSON.stringify({ engine: 'remote', upstream, classNames }));
    return serve(folder);
  }

  /** Asks row after row until told to stop; collects everything that is not the expected answer. */
  async function load(url: string, stopped: () => boolean, wrong: unknown[]): Promise<number> {
    let asked = 0;
    const client = async (start: number): Promise<void> => {
      for (let index = start; !stopped(); index = (index + 7) % rows.length) {
        asked++;
        try {
          const answer = answerOf(await post(`${url}/api/v1/predict`, { features: rows[index] }));
          if (JSON.stringify(answer) !== JSON.stringify(expected[index])) wrong.push(answer);
        } catch (error) {
          wrong.push(error);
        }
      }
    };
    await Promise.all(Array.from({ length: 16 }, (_, start) => client(start)));
    return asked;
  }

  for (const protocol of ['grpc', 'http'] as const) {
    it(`loses no request over ${protocol} when one is killed and started again`, async () => {
      const ports = upstreams.map(({ grpcPort, restPort }) => (protocol === 'grpc' ? grpcPort : restPort));
      const gateway = await startGateway(ports.map((port) => `${protocol}://127.0.0.1:${port}`));
      const wrong: unknown[] = [];
      let stopped = false;
      try {
        const running = load(gateway.url, () => stopped, wrong);
        await pause(300);
        const [victim] = upstreams;
        await kill(victim);
        await pause(300);
        upstreams[0] = await startUpstream(models, victim.restPort, victim.grpcPort);
        // Long enough for the health check to bring it back into the rotation.
        await pause(800);
        stopped = true;
        const asked = await running;
        assert.deepEqual(wrong, []);
        assert.ok(asked > 100, `only ${asked} requests`);
        const { body } = await get(`${gateway.url}/v2/models/iris/config`);
        assert.ok(body.max_batch_size > 1);
      } finally {
        stopped = true;
        await gateway.stop();
      }
    });
  }

  it('answers what a hung upstream holds, from the other one', async () => {
    const gateway = await startGateway(upstreams.map(({ grpcPort }) => `grpc://127.0.0.1:${grpcPort}`));
    const [hung] = upstreams;
    try {
      await post(`${gateway.url}/api/v1/predict`, { features: rows[0] });
      hung.process.kill('SIGSTOP');
      const asked = rows.slice(0, 8).map((features) => post(`${gateway.url}/api/v1/predict`, { features }));
      assert.deepEqual((await Promise.all(asked)).map(answerOf), expected.slice(0, 8));
    } finally {
      hung.process.kill('SIGCONT');
      await gateway.stop();
    }
  });

  it('says what the upstream says of the model, and answers every row of one request', async () => {
    const gateway = await startGateway([`grpc://127.0.0.1:${upstreams[1].grpcPort}`]);
    try {
      const own = await get(`http://127.0.0.1:${upstreams[1].restPort}/v2/models/iris`);
      const shown = await get(`${gateway.url}/v2/models/iris`);
      assert.deepEqual(shown.body.inputs, own.body.inputs);
      assert.deepEqual(shown.body.outputs, own.body.outputs);
      const direct = await post(`http://127.0.0.1:${upstreams[1].restPort}/api/v1/predict/batch`, { instances: rows });
      const through = await post(`${gateway.url}/api/v1/predict/batch`, { instances: rows });
      assert.equal(through.status, 200);
      assert.deepEqual(through.body.predictions, direct.body.predictions);
    } finally {
      await gateway.stop();
    }
  });

  it('shows its connections on the admin listener', async () => {
    const addresses = upstreams.map(({ grpcPort }) => `grpc://127.0.0.1:${grpcPort}`);
    const gateway = await startGateway(addresses);
    for (const features of rows.slice(0, 6)) await post(`${gateway.url}/api/v1/predict`, { features });
    const { body } = await get(`${gateway.adminUrl}/debug/pool`);
    const [pool] = body.upstreams;
    assert.deepEqual([pool.model, pool.balance, pool.waiting], ['iris', 'round-robin', 0]);
    assert.deepEqual(
      pool.addresses.map(({ address, errors, breaker }: Record<string, unknown>) => [address, errors, breaker]),
      addresses.map((address) => [address, 0, 'closed']),
    );
    for (const { size, calls } of pool.addresses) assert.ok(size === 1 && calls >= 3, `${size} for ${calls} calls`);
    await gateway.stop();
  });

  it('answers 503 while no upstream is there, and works as soon as one is', async () => {
    const late = await startUpstream(models);
    await kill(late);
    const gateway = await startGateway([`grpc://127.0.0.1:${late.grpcPort}`]);
    let back: Upstream | undefined;
    try {
      const refused = await post(`${gateway.url}/api/v1/predict`, { features: rows[0] });
      assert.equal(refused.status, 503);
      assert.equal(refused.body.error.code, 'MODEL_NOT_READY');
      assert.match(refused.body.error.message, /The upstream does not serve the model/);
      back = await startUpstream(models, late.restPort, late.grpcPort);
      let answer = refused;
      while (answer.status === 503) answer = await post(`${gateway.url}/api/v1/predict`, { features: rows[0] });
      assert.deepEqual(answerOf(answer), expected[0]);
    } finally {
      await gateway.stop();
      if (back !== undefined) await kill(back);
    }
  });
});

/** What an answer says, without its timing. */
function answerOf({ status, body }: { status: number; body: Record<string, unknown> }): unknown {
  const { prediction, label, probabilities } = body;
  return { status, prediction, label, probabilities, error: body.error };
}

/** Load goes on for a while: what is tested is that nothing happens in it. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
