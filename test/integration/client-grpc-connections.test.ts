/** The connections of the gRPC client: lost, silent, to nobody, to something else, and over TLS. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, connect as connectSocket, createServer as createSocketServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { freePort } from '../../src/cli/free-port.ts';
import { makeCertificate, withoutOpenssl } from './support/certificate.ts';
import { clientOf, demo } from './support/client-grpc.ts';
import { startGrpc, type TestServer } from './support/grpc-harness.ts';
import { until } from './support/until.ts';

describe('the gRPC client', () => {
  let server: TestServer;

  before(async () => {
    server = await startGrpc();
  });

  after(() => server[Symbol.asyncDispose]());

  it('connects anew after the connection was lost, and after the server asked it to leave', async (test) => {
    const sessions: ServerHttp2Session[] = [];
    const answered: number[] = [];
    const address = await serveHttp2(test, (http2) => {
      http2.on('session', (session) => sessions.push(session));
      http2.on('stream', (stream: ServerHttp2Stream) => {
        // The first connection dies with its call; the second answers and says goodbye.
        if (sessions.length === 1) return stream.session!.destroy();
        answered.push(sessions.length);
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
        stream.end(Buffer.from([0, 0, 0, 0, 4, 10, 2, 0x69, 0x64]));
        if (sessions.length === 2) stream.session!.goaway();
      });
    });
    const client = clientOf(test, address);
    assert.equal((await client.metadata('id')).name, 'id');
    assert.equal((await client.metadata('id')).name, 'id');
    assert.equal((await client.metadata('id')).name, 'id');
    assert.deepEqual(answered, [2, 3, 3]);
  });

  it('leaves a connection on which nothing comes back any more', async (test) => {
    const relay = await startRelay(test, server.port);
    const client = clientOf(test, relay.address, { pongTimeoutMs: 50, retries: 0 });
    await client.infer('demo', demo);
    relay.silence();
    await assert.rejects(client.infer('demo', demo, { timeoutMs: 100 }), { code: 'DEADLINE_EXCEEDED' });
    await until(() => relay.ended === 1);
    assert.equal((await client.infer('demo', demo)).model, 'demo');
  });

  it('gives up at its deadline on a server that accepts and never speaks', async (test) => {
    const relay = await startRelay(test, server.port, true);
    const client = clientOf(test, relay.address, { tls: {}, retries: 0, timeoutMs: 100, pongTimeoutMs: 50 });
    await assert.rejects(client.infer('demo', demo), { code: 'DEADLINE_EXCEEDED' });
    assert.equal(await client.live(), false);
  });

  it('says that nobody answers, and what answered when it is no gRPC server', async (test) => {
    const lost = clientOf(test, `127.0.0.1:${await freePort()}`);
    await assert.rejects(lost.infer('demo', demo), { code: 'CONNECTION_FAILED', message: /ECONNREFUSED/ });
    assert.equal(await lost.live(), false);
    const address = await serveHttp2(test, (http2) => {
      http2.on('stream', (stream: ServerHttp2Stream) => {
        stream.respond({ ':status': 404 });
        stream.end('not here');
      });
    });
    const client = clientOf(test, address);
    await assert.rejects(client.infer('demo', demo), { code: 'NOT_FOUND', message: /HTTP status 404 instead of/ });
    client.close();
    await assert.rejects(client.infer('demo', demo), { code: 'CANCELLED', message: 'The client is closed.' });
  });

  it('does not keep a process alive that has nothing to wait for', async () => {
    const script = `import { createGrpcClient } from ${JSON.stringify(new URL('../../src/client/node-grpc.ts', import.meta.url).href)};
      const { outputs } = await createGrpcClient(${JSON.stringify(server.address)}).infer('demo', { features: { shape: [1, 2], data: Float32Array.of(1, 2) } });
      console.log(outputs.row_sum.data[0]);`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
      timeout: 20_000,
    });
    assert.equal(stdout, '3\n');
  });
});

describe('the gRPC client over TLS', { skip: withoutOpenssl() }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'hotpath-client-tls-'));
  const path = (name: string) => join(folder, name);

  before(() => {
    for (const name of ['server', 'client']) makeCertificate(folder, name);
  });

  after(() => rmSync(folder, { recursive: true }));

  it('trusts the authority it is given, and shows its own certificate', async (test) => {
    const config = { tlsCert: path('server.pem'), tlsKey: path('server.key'), tlsClientCa: path('client.pem') };
    await using server = await startGrpc({ config });
    const pem = (name: string) => readFileSync(path(name));
    const ca = pem('server.pem');
    const known = clientOf(test, server.address, { tls: { ca, cert: pem('client.pem'), key: pem('client.key') } });
    const { outputs } = await known.infer('demo', demo);
    assert.deepEqual(outputs.row_sum!.data, Float32Array.of(3, 7));
    const unknown = clientOf(test, server.address, { tls: { ca }, retries: 0, timeoutMs: 5000 });
    await assert.rejects(unknown.infer('demo', demo), { code: 'CONNECTION_FAILED' });
    const doubtful = clientOf(test, `grpcs://${server.address}`, { retries: 0 });
    await assert.rejects(doubtful.infer('demo', demo), { code: 'CONNECTION_FAILED' });
    known.close();
  });
});

async function serveHttp2(test: TestContext, prepare: (server: Http2Server) => void): Promise<string> {
  const server = createServer();
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  prepare(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  test.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Passes bytes on to `port`. Connections that are silenced stay open and nothing moves on them; `mute`: all, from the start. */
async function startRelay(test: TestContext, port: number, mute = false) {
  const links: { silent: boolean; readonly sockets: readonly Socket[] }[] = [];
  const relay = {
    address: '',
    ended: 0,
    silence() {
      for (const link of links) link.silent = true;
    },
  };
  const listener = createSocketServer((inner) => {
    const outer = connectSocket(port, '127.0.0.1');
    const link = { silent: mute, sockets: [inner, outer] };
    links.push(link);
    for (const socket of link.sockets) socket.on('error', () => {});
    inner.on('data', (chunk) => !link.silent && outer.write(chunk));
    outer.on('data', (chunk) => !link.silent && inner.write(chunk));
    inner.on('close', () => {
      relay.ended++;
      outer.destroy();
    });
  });
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  relay.address = `127.0.0.1:${(listener.address() as AddressInfo).port}`;
  test.after(() => {
    for (const socket of links.flatMap(({ sockets }) => sockets)) socket.destroy();
    listener.close();
  });
  return relay;
}
