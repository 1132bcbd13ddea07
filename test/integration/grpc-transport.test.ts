/** The HTTP/2 layer of the gRPC server: what it takes as a body, and how connections end. */
import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import type { InferCall } from '../../src/core/types.ts';
import { ask, assertServes, connect, demoRequest, floats, rawRequest } from './support/grpc-client.ts';
import { neverAnswer, startGrpc } from './support/grpc-harness.ts';
import { answerOf, demoMessage, framed, openRequest, openSession, send } from './support/grpc-raw.ts';
import { until } from './support/until.ts';

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

describe('the end of gRPC connections', () => {
  it('close() answers what was accepted and refuses what comes later', async () => {
    const release: (() => void)[] = [];
    let cancelled = false;
    const infer = (call: InferCall) =>
      new Promise<never>((_, reject) => {
        call.cancel!.onCancel = () => {
          cancelled = true;
        };
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
    await assert.rejects(ask(late, 'ServerLive', {}), { code: status.UNAVAILABLE });
    assert.equal(closed, false);
    release[0]!();
    await assert.rejects(pending, { code: status.INTERNAL });
    await closing;
    assert.equal(cancelled, false);
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

  it('moves clients on when their connection is old, without a failed call', async (test) => {
    await using server = await startGrpc({ config: { grpcMaxConnectionAgeMs: 80 } });
    const client = connect(server.address);
    let connections = 0;
    const count = (message: unknown) => {
      if ((message as { readonly socket: Socket }).socket.localPort === server.port) connections++;
    };
    subscribe('net.server.socket', count);
    test.after(() => unsubscribe('net.server.socket', count));
    const loop = async () => {
      // Until it went through four connections.
      for (let index = 0; connections < 4; index++) {
        const answer = await ask(client, 'ModelInfer', rawRequest([[index, 1]]));
        assert.deepEqual(floats(answer.raw_output_contents[1]), [index + 1]);
      }
    };
    await Promise.all(Array.from({ length: 8 }, loop));
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
