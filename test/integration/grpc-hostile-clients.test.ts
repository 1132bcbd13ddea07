/** The HTTP/2 layer of the gRPC server: what hostile, slow and broken clients do to it. */
import assert from 'node:assert/strict';
import { connect as connectSocket } from 'node:net';
import { describe, it } from 'node:test';
import { status } from '@grpc/grpc-js';
import { encodeReference } from '../../src/protocols/grpc/testing/proto-json.ts';
import { ask, assertServes, connect } from './support/grpc-client.ts';
import { neverAnswer, startGrpc } from './support/grpc-harness.ts';
import { answerOf, demoMessage, framed, inferPath, openRequest, openSession, send } from './support/grpc-raw.ts';
import { until } from './support/until.ts';

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
    assert.deepEqual([answer.httpStatus, answer.grpcStatus], [431, undefined]);
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
