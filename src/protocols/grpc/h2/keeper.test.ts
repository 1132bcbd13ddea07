/** Connections over time, on a clock that the tests move: greeting, keepalive, age, slow clients, draining. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SimulatedClock } from '../../../core/simulated-clock.ts';
import { frame, rstStream, windowUpdate } from './frames.ts';
import { errorCode, flag, frameType, max31Bits, setting } from './protocol.ts';
import { startEcho } from './testing/echo-server.ts';
import { data, emptySettings, RawClient, request, settings } from './testing/raw-client.ts';

const nothing = Buffer.alloc(0);

function lastIdOf({ payload }: { readonly payload: Buffer }): number {
  return payload.readUInt32BE(0);
}

/** What a well-behaved client does with a PING. */
function answerPing(client: RawClient, { payload }: { readonly payload: Buffer }): void {
  client.send(frame(frameType.ping, flag.ack, 0, payload));
}

describe('connections over time', () => {
  it('are cut when they do not greet', async () => {
    const clock = new SimulatedClock();
    await using server = await startEcho({ headersTimeoutMs: 5000 }, clock);
    for (const [first, begin] of [
      [nothing, nothing],
      [nothing, Buffer.from('PRI * HT')],
      [emptySettings.subarray(0, 5), undefined],
    ] as const) {
      using client = new RawClient(server.port, first, begin);
      await client.next(frameType.settings);
      clock.advance(4900);
      assert.equal(client.socket.closed, false);
      clock.advance(1400);
      await client.closed;
    }
  });

  it('are asked for a sign of life, and cut when they give none', async () => {
    const clock = new SimulatedClock();
    await using server = await startEcho({ grpcKeepaliveTimeMs: 10_000, grpcKeepaliveTimeoutMs: 4000 }, clock);
    using client = new RawClient(server.port);
    await client.ping();
    for (let round = 0; round < 3; round++) {
      clock.advance(13_000);
      answerPing(client, await client.next(frameType.ping));
      await client.ping();
    }
    clock.advance(13_000);
    await client.next(frameType.ping);
    clock.advance(6000);
    await client.closed;
  });

  it('are moved on when they are old, without losing what was asked meanwhile', async () => {
    const clock = new SimulatedClock();
    await using server = await startEcho({ grpcMaxConnectionAgeMs: 60_000 }, clock);
    using client = new RawClient(server.port);
    client.send(request(1, '/echo', 0));
    await client.ping();
    clock.advance(60_500);
    assert.equal(lastIdOf(await client.next(frameType.goaway)), max31Bits);
    const ping = await client.next(frameType.ping);
    client.send(request(3, '/header?:path'));
    assert.equal(String(await client.body(3)), '/header?:path');
    answerPing(client, ping);
    assert.equal(lastIdOf(await client.next(frameType.goaway)), 3);
    client.send(request(5, '/header?:path'), data(1, Buffer.from('end'), flag.endStream));
    assert.equal(String(await client.body(1)), 'end');
    await client.closed;
    assert.equal(
      client.frames.some(({ streamId }) => streamId === 5),
      false,
    );
  });

  it('are moved on although they do not confirm, and cut when their calls do not end', async () => {
    const clock = new SimulatedClock();
    const config = { grpcMaxConnectionAgeMs: 60_000, grpcMaxConnectionAgeGraceMs: 5000 };
    await using server = await startEcho(config, clock);
    using client = new RawClient(server.port);
    client.send(request(1, '/hold'));
    await client.ping();
    clock.advance(60_500);
    assert.equal(lastIdOf(await client.next(frameType.goaway)), max31Bits);
    clock.advance(2500);
    assert.equal(lastIdOf(await client.next(frameType.goaway)), 1);
    assert.equal(server.open.size, 1);
    clock.advance(3500);
    await client.closed;
    assert.deepEqual(server.gone, ['/hold']);
  });

  it('end when the server closes: idle ones at once, others with their last answer', async () => {
    await using server = await startEcho();
    using idle = new RawClient(server.port);
    using busy = new RawClient(server.port);
    busy.send(request(1, '/echo', 0));
    await Promise.all([idle.ping(), busy.ping()]);
    const closing = server.transport.close();
    assert.equal(await idle.goawayCode(), errorCode.noError);
    assert.equal(lastIdOf(await busy.next(frameType.goaway)), 1);
    busy.send(request(3, '/echo'), data(1, Buffer.from('end'), flag.endStream));
    assert.equal(String(await busy.body(1)), 'end');
    await closing;
    assert.equal(
      busy.frames.some(({ streamId }) => streamId === 3),
      false,
    );
  });

  it('lose their calls when they are cut', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    client.send(request(1, '/hold'), request(3, '/paused', 0), request(5, '/hold'), rstStream(5, 8));
    await client.ping();
    assert.deepEqual(server.gone, ['/hold']);
    client.socket.destroy();
    await server.transport.close();
    assert.deepEqual(server.gone, ['/hold', '/hold', '/paused']);
  });
});

describe('slow clients', () => {
  it('lose a stream whose answer they give no window for', async () => {
    const clock = new SimulatedClock();
    await using server = await startEcho({ requestTimeoutMs: 10_000 }, clock);
    using client = new RawClient(server.port, settings([setting.initialWindowSize, 10]));
    client.send(request(1, '/big?100'));
    await client.next(frameType.data, 1);
    clock.advance(1000);
    client.send(windowUpdate(1, 10));
    await client.next(frameType.data, 1);
    clock.advance(9500);
    await client.ping();
    assert.equal(
      client.frames.some(({ type }) => type === frameType.rstStream),
      false,
    );
    clock.advance(3000);
    assert.equal(await client.resetCode(1), errorCode.cancel);
    client.send(request(3, '/header?:path'));
    assert.equal((await client.next(frameType.data, 3)).payload.length, 10);
  });

  it('lose a stream that is answered and that they never end', async () => {
    const clock = new SimulatedClock();
    await using server = await startEcho({ requestTimeoutMs: 10_000 }, clock);
    using client = new RawClient(server.port);
    client.send(request(1, '/early', 0));
    await client.body(1);
    clock.advance(12_000);
    assert.equal(await client.resetCode(1), errorCode.noError);
  });

  it('may take their time with requests and with answers that are not there yet', async () => {
    const clock = new SimulatedClock();
    await using server = await startEcho({ requestTimeoutMs: 10_000 }, clock);
    using client = new RawClient(server.port);
    client.send(request(1, '/hold'), request(3, '/stream', 0), data(3, Buffer.from('a')));
    await client.next(frameType.data, 3);
    clock.advance(100_000);
    await client.ping();
    assert.equal(
      client.frames.some(({ type }) => type === frameType.rstStream),
      false,
    );
    assert.equal(server.open.size, 2);
  });

  it('are cut when they do not read what is sent', async () => {
    const clock = new SimulatedClock();
    await using server = await startEcho({ requestTimeoutMs: 10_000 }, clock);
    using client = new RawClient(server.port, settings([setting.initialWindowSize, 2 ** 30]));
    client.send(windowUpdate(0, 2 ** 30));
    await client.ping();
    client.socket.pause();
    client.send(request(1, '/big?50000000'));
    for (let turn = 0; turn < 60; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      clock.advance(1000);
    }
    let received = 0;
    client.socket.on('data', (chunk) => {
      received += chunk.length;
    });
    client.socket.resume();
    await client.closed;
    assert.ok(received < 50_000_000, String(received));
  });

  it('are not read on when they ask and ask and take no answer', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    await client.ping();
    client.socket.pause();
    let id = 1;
    let sent = 0;
    // Each is answered with an HTTP status at once, which no window holds back.
    while (client.socket.writableLength < 1_000_000 && sent < 2_000_000) {
      const burst: Buffer[] = [];
      for (let index = 0; index < 1000; index++, id += 2, sent++) burst.push(plain(id));
      client.send(...burst);
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(sent < 2_000_000, 'the server read everything and kept the answers');
  });

  it('are cut in the end when they do not close their side after GOAWAY', async () => {
    const clock = new SimulatedClock();
    await using server = await startEcho({}, clock);
    using client = new RawClient(server.port);
    client.socket.allowHalfOpen = true;
    client.send(data(1, nothing));
    await client.next(frameType.goaway);
    clock.advance(3000);
    // Resolves when no connection is left.
    await server.transport.close();
  });
});

/** GET / in three bytes. */
function plain(streamId: number): Buffer {
  return frame(frameType.headers, flag.endHeaders | flag.endStream, streamId, Buffer.of(0x82, 0x86, 0x84));
}
