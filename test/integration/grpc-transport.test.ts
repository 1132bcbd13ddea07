/** The HTTP/2 layer of the gRPC server: what hostile, slow and broken clients do to it, and how connections end. */
import assert from 'node:assert/strict';
import { connect as connectSocket } from 'node:net';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import type { InferCall } from '../../src/core/types.ts';
import { encodeReference } from '../../src/protocols/grpc/testing/proto-json.ts';
import { ask, connect, demoRequest, floats, rawRequest } from './support/grpc-client.ts';
import { startGrpc, type TestServer } from './support/grpc-harness.ts';
import { answerOf, framed, inferPath, openRequest, openSession, send } from './support/grpc-raw.ts';
import { until } from './support/until.ts';

const demoMessage = encodeReference('ModelInferRequest', {
  model_name: 'demo',
  inputs: [{ name: 'features', datatype: 'FP32', shape: ['1', '2'], contents: { fp32_contents: [1, 2] } }],
});

/** A new client is served. */
async function assertServes(server: TestServer): Promise<void> {
  const client = connect(server.address);
  const answer = await ask(client, 'ModelInfer', rawRequest([[1, 2]]));
  assert.deepEqual(floats(answer.raw_output_contents[1]), [3]);
  client.close();
  await until(() => server.inFlight.total === 0);
}

const neverAnswer = () => new Promise<never>(() => {});

describe('gRPC bodies', () => {
  it('answers a plain call', async () => {
    await using server = await startGrpc();
    const session = await openSession(server.port);
    const answer = await send(session, framed(demoMessage));
    assert.deepEqual([answer.httpStatus, answer.grpcStatus], [200, 0]);
    assert.deepEqual(Object.keys(answer.headers), [':status', 'content-type', 'grpc-status']);
    session.destroy();
  });

  it('refuses wrong bodies with a sentence', async () => {
    await using server = await startGrpc({ config: { grpcMaxMessageBytes: 2_000_000 } });
    const session = await openSession(server.port);
    const bomb = gzipSync(Buffer.alloc(50_000_000));
    const gzip = { 'grpc-encoding': 'gzip' };
    const cases: readonly (readonly [Buffer, object, number, RegExp])[] = [
      [Buffer.alloc(0), {}, status.INVALID_ARGUMENT, /exactly one message/],
      [framed(demoMessage).subarray(0, 3), {}, status.INVALID_ARGUMENT, /ended within a message/],
      [framed(demoMessage).subarray(0, 20), {}, status.INVALID_ARGUMENT, /ended within a message/],
      [Buffer.concat([framed(demoMessage), framed(demoMessage)]), {}, status.INVALID_ARGUMENT, /exactly one message/],
      [framed(demoMessage, 9), {}, status.INVALID_ARGUMENT, /flag/],
      [framed(demoMessage, 1), {}, status.INVALID_ARGUMENT, /names no compression/],
      [framed(demoMessage, 1), gzip, status.INVALID_ARGUMENT, /not valid gzip/],
      [framed(gzipSync(demoMessage).subarray(0, 30), 1), gzip, status.INVALID_ARGUMENT, /not valid gzip/],
      [framed(bomb, 1), gzip, status.RESOURCE_EXHAUSTED, /decodes to more/],
      [framed(demoMessage), { 'grpc-encoding': 'snappy' }, status.UNIMPLEMENTED, /gzip/],
      [framed(demoMessage), { 'grpc-timeout': 'soon' }, status.INVALID_ARGUMENT, /grpc-timeout/],
      [framed(demoMessage), { 'grpc-timeout': '0n' }, status.DEADLINE_EXCEEDED, /deadline/],
      [Buffer.of(0, 255, 255, 255, 255), {}, status.RESOURCE_EXHAUSTED, /at most 2000000/],
      [framed(Buffer.of(0xff, 0xff)), {}, status.INVALID_ARGUMENT, /protobuf/],
    ];
    for (const [body, headers, code, message] of cases) {
      const answer = await send(session, body, { ...headers });
      assert.equal(answer.grpcStatus, code, answer.message);
      assert.match(answer.message, message);
    }
    assert.equal((await send(session, framed(gzipSync(demoMessage), 1), gzip)).grpcStatus, 0);
    assert.equal(server.inFlight.total, 0);
    session.destroy();
  });

  it('answers what is no gRPC with an HTTP status', async () => {
    await using server = await startGrpc();
    const session = await openSession(server.port);
    const statusOf = async (headers: object) => (await send(session, Buffer.alloc(0), { ...headers })).httpStatus;
    assert.equal(await statusOf({ 'content-type': 'application/json' }), 415);
    assert.equal(await statusOf({ 'content-type': 'application/grpc-web' }), 415);
    assert.equal(await statusOf({ 'content-type': 'application/grpc+proto' }), 200);
    assert.equal(await statusOf({ ':method': 'PUT' }), 405);
    session.destroy();
  });

  it('gives clients windows that hold a large tensor, so that it takes one round trip', async () => {
    await using server = await startGrpc();
    const session = await openSession(server.port);
    assert.equal((await send(session, framed(demoMessage))).grpcStatus, 0);
    assert.ok(session.remoteSettings.initialWindowSize! >= 16 * 1024 * 1024);
    assert.ok(session.state.remoteWindowSize! >= 60 * 1024 * 1024, String(session.state.remoteWindowSize));
    session.destroy();
  });

  it('refuses large messages when too many arrive at once', async () => {
    const mib = 1024 * 1024;
    await using server = await startGrpc({ config: { grpcMaxReceiveBytes: 5 * mib } });
    const session = await openSession(server.port);
    const body = framed(Buffer.alloc(3 * mib));
    const [first, second] = [openRequest(session), openRequest(session)];
    const answers = [answerOf(first), answerOf(second)];
    for (const stream of [first, second]) {
      stream.write(body.subarray(0, 2 * mib + 100));
      stream.once('response', () => stream.close());
    }
    const { grpcStatus, headers } = await Promise.race(answers);
    assert.equal(grpcStatus, status.RESOURCE_EXHAUSTED);
    assert.equal(headers['grpc-retry-pushback-ms'], '1000');
    session.destroy();
    await until(() => server.inFlight.total === 0);
    const again = await openSession(server.port);
    // Read to its end and refused for what it says, not for its size.
    assert.equal((await send(again, body)).grpcStatus, status.INVALID_ARGUMENT);
    again.destroy();
  });

  it('answers early without waiting for the rest, and stops who goes on sending', async () => {
    await using server = await startGrpc({ config: { grpcMaxMessageBytes: 1000 } });
    const session = await openSession(server.port);
    const stream = openRequest(session);
    const answer = answerOf(stream);
    stream.write(Buffer.of(0, 0, 255, 255, 255));
    let headers: Record<string, unknown> | undefined;
    stream.once('response', (received) => {
      headers = received;
      const more = () => {
        while (!stream.destroyed && !stream.closed && stream.write(Buffer.alloc(65_536)));
      };
      stream.on('drain', more);
      more();
    });
    await answer;
    assert.equal(headers!['grpc-status'], String(status.RESOURCE_EXHAUSTED));
    session.destroy();
    await assertServes(server);
  });
});

describe('gRPC clients that misbehave', () => {
  it('cuts a client that floods with pings, and serves others', async () => {
    await using server = await startGrpc();
    const session = await openSession(server.port, { maxOutstandingPings: 100_000 });
    const closed = new Promise<void>((resolve) => session.once('close', () => resolve()));
    for (let index = 0; index < 5000 && !session.destroyed; index++) session.ping(() => {});
    await closed;
    await assertServes(server);
  });

  it('lets a client ping now and then', async () => {
    await using server = await startGrpc();
    const session = await openSession(server.port);
    for (let index = 0; index < 100; index++) {
      await new Promise<void>((resolve, reject) => session.ping((error) => (error ? reject(error) : resolve())));
    }
    assert.equal((await send(session, framed(demoMessage))).grpcStatus, 0);
    session.destroy();
  });

  it('survives a flood of resets, and serves others', async () => {
    await using server = await startGrpc({ deps: { infer: neverAnswer } });
    const session = await openSession(server.port);
    let opened = 0;
    while (opened < 12_000 && !session.destroyed && !session.closed) {
      for (let burst = 0; burst < 200; burst++, opened++) {
        if (session.destroyed || session.closed) break;
        const stream = openRequest(session);
        stream.end(framed(demoMessage));
        stream.close(8);
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => session.destroyed || session.closed);
    await until(() => server.inFlight.total === 0);
    assert.ok(opened < 12_000, `${opened} streams were reset without a consequence`);
    const client = connect(server.address);
    assert.deepEqual(await ask(client, 'ServerLive', {}), { live: true });
    client.close();
  });

  it('takes 2000 cancelled calls in good part', async () => {
    await using server = await startGrpc({ deps: { infer: neverAnswer } });
    const session = await openSession(server.port);
    const streams = Array.from({ length: 2000 }, () => openRequest(session));
    for (const stream of streams) stream.end(framed(demoMessage));
    await until(() => server.inFlight.total === 2000);
    for (const stream of streams) stream.close(8);
    await until(() => server.inFlight.total === 0);
    assert.equal(session.destroyed, false);
    assert.equal((await send(session, Buffer.of(0, 0, 0, 0, 0), {}, '/grpc.health.v1.Health/Check')).grpcStatus, 0);
    session.destroy();
  });

  it('refuses streams beyond its limit per connection, and no others', async () => {
    await using server = await startGrpc({ config: { grpcMaxStreams: 10 }, deps: { infer: neverAnswer } });
    const session = await openSession(server.port);
    await until(() => session.remoteSettings?.maxConcurrentStreams === 10);
    const streams = Array.from({ length: 50 }, () => openRequest(session));
    for (const stream of streams) stream.end(framed(demoMessage));
    await until(() => server.inFlight.total === 10);
    const other = await openSession(server.port);
    assert.equal((await send(other, Buffer.of(0, 0, 0, 0, 0), {}, '/grpc.health.v1.Health/Check')).grpcStatus, 0);
    assert.equal(server.inFlight.total, 10);
    session.destroy();
    other.destroy();
  });

  it('cuts a connection that never speaks HTTP/2, or speaks something else', async () => {
    await using server = await startGrpc({ config: { headersTimeoutMs: 100 } });
    for (const text of [
      '',
      'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
      'GET / HTTP/1.1\r\nhost: x\r\n\r\n',
      '\0'.repeat(500),
    ]) {
      const socket = connectSocket(server.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.write(text);
      socket.resume();
      await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    }
    await assertServes(server);
  });

  it('refuses headers beyond 16 KiB', async () => {
    await using server = await startGrpc();
    const session = await openSession(server.port);
    // The limit holds once the client has acknowledged it, which a round trip proves.
    assert.equal((await send(session, framed(demoMessage))).grpcStatus, 0);
    const answer = await send(session, framed(demoMessage), { 'x-large': 'y'.repeat(40_000) });
    assert.notEqual(answer.grpcStatus, 0);
    session.destroy();
    await assertServes(server);
  });

  it('ends a call whose message does not come in time', async () => {
    await using server = await startGrpc({ config: { requestTimeoutMs: 100 } });
    const session = await openSession(server.port);
    const stream = openRequest(session);
    const answer = answerOf(stream);
    stream.write(framed(demoMessage).subarray(0, 10));
    stream.once('response', () => stream.close());
    const { grpcStatus, message } = await answer;
    assert.equal(grpcStatus, status.DEADLINE_EXCEEDED);
    assert.match(message, /too long to arrive/);
    assert.equal(server.inFlight.total, 0);
    session.destroy();
  });

  it('resets a stream whose answer is not taken', async () => {
    await using server = await startGrpc({ config: { requestTimeoutMs: 200 } });
    const session = await openSession(server.port, { settings: { initialWindowSize: 100 } });
    const stream = openRequest(session);
    stream.pause();
    const closed = new Promise<void>((resolve) => stream.once('close', () => resolve()));
    const row = new Array(2000).fill('1');
    stream.end(
      framed(
        encodeReference('ModelInferRequest', {
          model_name: 'demo',
          inputs: [{ name: 'features', datatype: 'FP32', shape: ['1', '2000'], contents: { fp32_contents: row } }],
        }),
      ),
    );
    await until(() => server.requests.length === 1);
    await closed;
    assert.deepEqual(server.requests, ['grpc demo OK']);
    session.destroy();
  });

  it('cuts a connection that does not answer pings', async () => {
    await using server = await startGrpc({ config: { grpcKeepaliveTimeMs: 50, grpcKeepaliveTimeoutMs: 100 } });
    const socket = connectSocket(server.port, '127.0.0.1');
    socket.on('error', () => {});
    // Preface and empty SETTINGS, and then silence.
    socket.write(
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0)]),
    );
    socket.resume();
    const silent = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const alive = await openSession(server.port);
    await silent;
    assert.equal((await send(alive, framed(demoMessage))).grpcStatus, 0);
    alive.destroy();
  });
});

describe('the end of gRPC connections', () => {
  it('close() answers what was accepted and refuses what comes later', async () => {
    const release: (() => void)[] = [];
    const infer = (call: InferCall) =>
      new Promise<never>((_, reject) => {
        call.cancel!.onCancel = () => assert.fail('cancelled');
        release.push(() => reject(new Error('released')));
      });
    await using server = await startGrpc({ deps: { infer } });
    const client = connect(server.address);
    const pending = ask(client, 'ModelInfer', demoRequest([[1]]));
    await until(() => release.length === 1);
    let closed = false;
    const closing = server.server.close().then(() => {
      closed = true;
    });
    assert.equal(server.server.close(), server.server.close());
    const late = connect(server.address);
    await assert.rejects(ask(late, 'ServerLive', {}, { deadline: Date.now() + 300 }));
    assert.equal(closed, false);
    release[0]!();
    await assert.rejects(pending, { code: status.INTERNAL });
    await closing;
    client.close();
    late.close();
  });

  it('destroy() cuts what runs, and tells the core', async () => {
    const calls: InferCall[] = [];
    const infer = (call: InferCall) => {
      calls.push(call);
      return neverAnswer();
    };
    await using server = await startGrpc({ deps: { infer } });
    const client = connect(server.address);
    const pending = ask(client, 'ModelInfer', demoRequest([[1]]));
    await until(() => calls.length === 1);
    await Promise.all([server.server.destroy(), server.server.destroy(), server.server.close()]);
    await assert.rejects(pending);
    assert.equal(calls[0]!.cancel!.cancelled, true);
    assert.equal(server.inFlight.total, 0);
    client.close();
  });

  it('moves clients on when their connection is old, without a failed call', async () => {
    await using server = await startGrpc({ config: { grpcMaxConnectionAgeMs: 80 } });
    const client = connect(server.address);
    const until_ = Date.now() + 1000;
    let answered = 0;
    const loop = async () => {
      while (Date.now() < until_) {
        const answer = await ask(client, 'ModelInfer', rawRequest([[answered, 1]]));
        assert.equal(floats(answer.raw_output_contents[1]).length, 1);
        answered++;
      }
    };
    await Promise.all(Array.from({ length: 8 }, loop));
    assert.ok(answered > 50, String(answered));
    assert.ok(server.requests.every((line) => line === 'grpc demo OK'));
    client.close();
  });

  it('cuts calls of an old connection that do not end in the grace time', async () => {
    const config = { grpcMaxConnectionAgeMs: 50, grpcMaxConnectionAgeGraceMs: 100 };
    await using server = await startGrpc({ config, deps: { infer: neverAnswer } });
    const client = connect(server.address);
    await assert.rejects(ask(client, 'ModelInfer', demoRequest([[1]])), { code: status.UNAVAILABLE });
    await until(() => server.inFlight.total === 0);
    client.close();
  });

  it('says when its port is taken', async () => {
    await using server = await startGrpc();
    await assert.rejects(startGrpc({ config: { grpcPort: server.port } }), { code: 'EADDRINUSE' });
  });
});

describe('fuzzed gRPC connections', () => {
  it('survives random frames', async () => {
    await using server = await startGrpc();
    const preface = Buffer.concat([
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
      Buffer.of(0, 0, 0, 4, 0, 0, 0, 0, 0),
    ]);
    let seed = 12345;
    const random = (below: number) => {
      seed = (Math.imul(seed, 1103515245) + 12345) >>> 0;
      return (seed >>> 8) % below;
    };
    for (let round = 0; round < 40; round++) {
      const socket = connectSocket(server.port, '127.0.0.1');
      socket.on('error', () => {});
      socket.resume();
      const frames = Array.from({ length: 5 }, () => {
        const length = random(60);
        const frame = Buffer.alloc(9 + length);
        frame.writeUIntBE(length, 0, 3);
        frame[3] = random(12);
        frame[4] = random(256);
        frame.writeUInt32BE(random(8), 5);
        for (let index = 9; index < frame.length; index++) frame[index] = random(256);
        return frame;
      });
      socket.end(Buffer.concat([preface, ...frames]));
      await new Promise<void>((resolve) => socket.once('close', () => resolve()));
    }
    await assertServes(server);
  });

  it('answers every mutation of a message with a status that blames the client', async () => {
    await using server = await startGrpc();
    const session = await openSession(server.port);
    const allowed = [status.OK, status.INVALID_ARGUMENT, status.NOT_FOUND, status.UNIMPLEMENTED] as number[];
    for (let at = 0; at < demoMessage.length; at++) {
      for (const value of [0, 0x7f, 0xff]) {
        const message = Buffer.from(demoMessage);
        message[at] = value;
        const { grpcStatus, message: text } = await send(session, framed(message), {}, inferPath);
        assert.ok(allowed.includes(grpcStatus!), `byte ${at} = ${value}: ${grpcStatus} ${text}`);
      }
    }
    session.destroy();
    await assertServes(server);
  });
});
