/** Upstreams that answer with statuses of their own, over TLS or plainly, as other servers and proxies do. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { constants, createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import type { EngineModel } from '../../src/ports/engine.ts';
import { makeCertificate, withoutOpenssl } from './support/certificate.ts';
import { startGrpc } from './support/grpc-harness.ts';
import { matrix, remote, remoteSpec } from './support/remote-harness.ts';

const metadata = JSON.stringify({
  name: 'demo',
  inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 1] }],
});
const sum = JSON.stringify({ outputs: [{ name: 'y', datatype: 'FP32', shape: [1, 1], data: [[3]] }] });

interface Upstream extends AsyncDisposable {
  readonly port: number;
  inferCalls: number;
}

/** Answers metadata, knows no config page, and does with predictions as told. */
async function startRest(infer: RequestListener, secure?: { cert: Buffer; key: Buffer }): Promise<Upstream> {
  const listener: RequestListener = (request, response) => {
    request.resume();
    request.on('end', () => {
      if (request.url?.endsWith('/infer')) {
        upstream.inferCalls++;
        infer(request, response);
      } else if (request.url === '/v2/models/demo') response.end(metadata);
      else response.writeHead(404).end('{"error":"no such page"}');
    });
  };
  const server: Server = secure === undefined ? createServer(listener) : createSecureServer(secure, listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const upstream: Upstream = {
    port: (server.address() as AddressInfo).port,
    inferCalls: 0,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
  return upstream;
}

const answering: RequestListener = (_request, response) => void response.end(sum);
const busy: RequestListener = (_request, response) =>
  void response.writeHead(503, { 'retry-after': '3' }).end('{"error":"full"}');
const gone: RequestListener = (_request, response) => void response.writeHead(503).end('<html>');

async function run(model: EngineModel): Promise<number[]> {
  const { outputs } = await model.instances[0]!.run([matrix([1, 2])]);
  return [...(outputs[0]!.data as Float32Array)];
}

describe('an upstream that refuses', () => {
  it('is passed over for another one, and blamed only if it is not just busy', async () => {
    await using full = await startRest(busy);
    await using down = await startRest(gone);
    await using well = await startRest(answering);
    const addresses = [full, down, well].map(({ port }) => `http://127.0.0.1:${port}`);
    await using setup = remote({ addresses, balance: 'round-robin', retry: { attempts: 2 } });
    const model = await setup.load();
    for (let call = 0; call < 6; call++) assert.deepEqual(await run(model), [3]);
    const [busyStatus, downStatus] = setup.addresses();
    assert.equal(busyStatus?.errors, 0);
    assert.ok(busyStatus!.calls > 0);
    assert.ok(downStatus!.errors > 0);
  });

  it('is asked once each, and its word is passed on, when all of them refuse', async () => {
    await using one = await startRest(busy);
    await using other = await startRest(busy);
    await using setup = remote({ addresses: [one, other].map(({ port }) => `http://127.0.0.1:${port}`) });
    const model = await setup.load();
    const before = one.inferCalls + other.inferCalls;
    await assert.rejects(run(model), {
      code: 'OVERLOADED',
      message: 'The upstream says: full',
      details: { retryAfterSeconds: 3 },
    });
    assert.equal(one.inferCalls + other.inferCalls, before + 2);
  });

  it('batches nothing here if it does not say that it batches', async () => {
    await using plain = await startRest(answering);
    await using setup = remote({ addresses: [`http://127.0.0.1:${plain.port}`] });
    const report = await setup.probe();
    assert.equal(report.batch.safe, false);
    assert.match((report.batch as { reason: string }).reason, /does not say whether it batches/);
    assert.ok(report.singleRunMs! > 0);
  });

  it('whose trial prediction fails is loaded all the same, with a note', async () => {
    await using moody = await startRest((_request, response) => void response.writeHead(400).end('{"error":"zeros"}'));
    await using setup = remote({ addresses: [`http://127.0.0.1:${moody.port}`] });
    const report = await setup.probe();
    assert.equal(report.singleRunMs, undefined);
    assert.match(report.notes.join(), /trial prediction failed.*zeros/);
  });
});

/** An HTTP/2 server that takes no call: refuses the stream, or says goodbye before it looked at it. */
async function startRefusing(
  how: 'stream' | 'goodbye' | 'failure',
): Promise<{ port: number; streams: number } & AsyncDisposable> {
  const server = createHttp2Server();
  const sessions = new Set<ServerHttp2Session>();
  server.on('session', (session) => sessions.add(session));
  const refusing = {
    port: 0,
    streams: 0,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy();
      server.close();
    },
  };
  server.on('stream', (stream) => {
    refusing.streams++;
    stream.on('error', () => {});
    // A goodbye must name a stream that was seen, so that the first of a connection is refused in any case.
    if (how === 'stream' || stream.id === 1) stream.close(constants.NGHTTP2_REFUSED_STREAM);
    else stream.session!.goaway(how === 'goodbye' ? constants.NGHTTP2_NO_ERROR : constants.NGHTTP2_INTERNAL_ERROR, 1);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  refusing.port = (server.address() as AddressInfo).port;
  return refusing;
}

describe('an upstream over gRPC that takes no calls', () => {
  for (const how of ['stream', 'goodbye', 'failure'] as const) {
    it(`is known not to have processed them (${how}), so that they go elsewhere without blame`, async () => {
      await using well = await startGrpc();
      await using refusing = await startRefusing(how);
      const addresses = [`grpc://127.0.0.1:${refusing.port}`, `grpc://${well.address}`];
      const upstream = { addresses, balance: 'round-robin', retry: { afterConnectionLost: false } } as const;
      await using setup = remote(upstream);
      const { signature } = await setup.probe();
      const model = await setup.engine.load(remoteSpec({ ...upstream, healthIntervalMs: 0 }), signature);
      const asked = refusing.streams;
      for (let call = 0; call < 8; call++) {
        const { outputs } = await model.instances[0]!.run([matrix([1, 2])]);
        assert.deepEqual([...(outputs[1]!.data as Float32Array)], [3]);
      }
      assert.ok(refusing.streams >= asked + 4);
      assert.equal(setup.addresses()[0]!.errors, 0);
    });
  }
});

describe('an upstream over TLS', { skip: withoutOpenssl() }, () => {
  it('is trusted by the certificate authorities of the process, and refused without', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-remote-tls-'));
    const { tlsKey, tlsCert } = makeCertificate(folder, 'server');
    const pem = { cert: readFileSync(tlsCert), key: readFileSync(tlsKey) };
    rmSync(folder, { recursive: true });
    await using rest = await startRest(answering, pem);
    const addresses = [`https://localhost:${rest.port}`];
    await using stranger = remote({ addresses });
    await assert.rejects(stranger.load(), { code: 'MODEL_NOT_READY', message: /SELF_SIGNED/ });
    const known = getCACertificates('default');
    setDefaultCACertificates([...known, String(pem.cert)]);
    try {
      await using trusting = remote({ addresses });
      assert.deepEqual(await run(await trusting.load()), [3]);
    } finally {
      setDefaultCACertificates(known);
    }
  });

  it('over gRPC as well', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-remote-tls-'));
    const { tlsKey, tlsCert } = makeCertificate(folder, 'server');
    const known = getCACertificates('default');
    await using server = await startGrpc({ config: { tlsCert, tlsKey } });
    try {
      await using stranger = remote({ addresses: [`grpcs://localhost:${server.port}`] });
      await assert.rejects(stranger.load(), { code: 'MODEL_NOT_READY' });
      setDefaultCACertificates([...known, readFileSync(tlsCert, 'utf8')]);
      for (const host of ['localhost', '127.0.0.1']) {
        await using trusting = remote({ addresses: [`grpcs://${host}:${server.port}`] });
        const { outputs } = await (await trusting.load()).instances[0]!.run([matrix([1, 2])]);
        assert.deepEqual([...(outputs[1]!.data as Float32Array)], [3]);
      }
    } finally {
      setDefaultCACertificates(known);
      rmSync(folder, { recursive: true });
    }
  });
});
