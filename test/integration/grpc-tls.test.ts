/** gRPC over TLS, with and without client certificates. */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { credentials, status } from '@grpc/grpc-js';
import { makeCertificate, withoutOpenssl } from './support/certificate.ts';
import { ask, connect, floats, rawRequest } from './support/grpc-client.ts';
import { startGrpc } from './support/grpc-harness.ts';

describe('gRPC over TLS', { skip: withoutOpenssl() }, () => {
  let folder: string;
  const path = (name: string) => join(folder, name);
  const pem = (name: string) => readFileSync(path(name));
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'hotpath-grpc-tls-'));
    for (const name of ['server', 'client', 'stranger']) makeCertificate(folder, name);
  });

  after(() => rmSync(folder, { recursive: true }));

  it('serves a client that trusts its certificate', async () => {
    await using server = await startGrpc({ config: { tlsCert: path('server.pem'), tlsKey: path('server.key') } });
    const client = connect(`localhost:${server.port}`, undefined, credentials.createSsl(pem('server.pem')));
    const answer = await ask(client, 'ModelInfer', rawRequest([[1, 2]]));
    assert.deepEqual(floats(answer.raw_output_contents[1]), [3]);
    client.close();
    const plain = connect(server.address);
    await assert.rejects(ask(plain, 'ServerLive', {}, { deadline: Date.now() + 500 }));
    plain.close();
    await server.server.close();
  });

  it('answers many calls at once, each with its own rows', async () => {
    await using server = await startGrpc({ config: { tlsCert: path('server.pem'), tlsKey: path('server.key') } });
    const client = connect(`localhost:${server.port}`, undefined, credentials.createSsl(pem('server.pem')));
    for (let round = 0; round < 5; round++) {
      const calls = Array.from({ length: 200 }, async (_, index) => {
        const width = index % 50 === 0 ? 20_000 : (index % 7) + 1;
        const row = new Array<number>(width).fill(index);
        const answer = await ask(client, 'ModelInfer', rawRequest([row]));
        assert.deepEqual(floats(answer.raw_output_contents[1]), [index * width]);
      });
      await Promise.all(calls);
    }
    client.close();
  });

  it('asks for client certificates when it has an authority for them', async () => {
    const config = { tlsCert: path('server.pem'), tlsKey: path('server.key'), tlsClientCa: path('client.pem') };
    await using server = await startGrpc({ config });
    const tryWith = async (name: string | undefined) => {
      const own = name === undefined ? [] : [pem(`${name}.key`), pem(`${name}.pem`)];
      const client = connect(`localhost:${server.port}`, undefined, credentials.createSsl(pem('server.pem'), ...own));
      try {
        return await ask(client, 'ServerLive', {}, { deadline: Date.now() + 2000 });
      } finally {
        client.close();
      }
    };
    assert.deepEqual(await tryWith('client'), { live: true });
    await assert.rejects(tryWith('stranger'), ({ code }) =>
      [status.UNAVAILABLE, status.DEADLINE_EXCEEDED].includes(code),
    );
    await assert.rejects(tryWith(undefined), ({ code }) =>
      [status.UNAVAILABLE, status.DEADLINE_EXCEEDED].includes(code),
    );
    assert.deepEqual(await tryWith('client'), { live: true });
  });

  it('cuts a client that does not finish the handshake', async () => {
    const config = { tlsCert: path('server.pem'), tlsKey: path('server.key'), headersTimeoutMs: 100 };
    await using server = await startGrpc({ config });
    const socket = connectSocket(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.resume();
    await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    await server.server.close();
  });

  it('names the setting whose file it cannot read', async () => {
    const config = { tlsCert: path('server.pem'), tlsKey: path('nothing.key') };
    await assert.rejects(startGrpc({ config }), /tlsKey: cannot read/);
  });
});
