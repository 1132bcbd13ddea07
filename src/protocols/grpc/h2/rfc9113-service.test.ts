/** What RFC 9113 demands of a server when all is well, frame by frame. The numbers are its sections. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { frame, goaway, rstStream, windowUpdate } from './frames.ts';
import { encodeFields } from './hpack-encoder.ts';
import { errorCode, flag, frameType, setting } from './protocol.ts';
import { streamWindowBytes } from './settings.ts';
import { startEcho } from './testing/echo-server.ts';
import { data, RawClient, request, requestBlock, settings, uint32 } from './testing/raw-client.ts';

const { protocolError } = errorCode;

const nothing = Buffer.alloc(0);
const open = (streamId: number, path = '/echo') => request(streamId, path, 0);
const headers = (flags: number, streamId: number, block: Uint8Array) =>
  frame(frameType.headers, flags, streamId, block);
const more = (flags: number, streamId: number, block: Uint8Array) =>
  frame(frameType.continuation, flags, streamId, block);
const wholeRequest = flag.endHeaders | flag.endStream;

describe('RFC 9113: what is served', () => {
  it('3.4 greets with SETTINGS and acknowledges those of the client', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    const ours = await client.next(frameType.settings);
    assert.equal(ours.flags, 0);
    assert.equal(
      client.frames.some(({ type }) => type === frameType.goaway),
      false,
    );
    const ack = await client.next(frameType.settings);
    assert.deepEqual([ack.flags, ack.payload.length], [flag.ack, 0]);
  });

  it('5.5 skips unknown frames and settings', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    client.send(frame(77, 255, 12, Buffer.alloc(1000)), settings([999, 5]), request(1, '/header?:path'));
    assert.equal(String(await client.body(1)), '/header?:path');
  });

  it('6.1 takes the padding off, of any length', async () => {
    await using server = await startEcho();
    for (const padding of [0, 1, 200, 255]) {
      using client = new RawClient(server.port);
      const payload = Buffer.concat([Buffer.of(padding), Buffer.from('padded'), Buffer.alloc(padding)]);
      client.send(open(1));
      client.send(data(1, payload, flag.padded | flag.endStream));
      assert.equal(String(await client.body(1)), 'padded');
    }
  });

  it('6.2 takes HEADERS with padding and priority, and blocks in several frames', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    const bytes = requestBlock('/header?x-y', { 'x-y': 'value' });
    const padded = Buffer.concat([Buffer.of(3), Buffer.alloc(5), bytes, Buffer.alloc(3)]);
    client.send(headers(wholeRequest | flag.padded | flag.priority, 1, padded));
    assert.equal(String(await client.body(1)), 'value');
    const parts = [0, 1, 20, 21].map((at, index, all) => bytes.subarray(at, all[index + 1]));
    client.send(headers(flag.endStream, 3, parts[0]!), more(0, 3, parts[1]!), more(0, 3, parts[2]!));
    client.send(more(flag.endHeaders, 3, parts[3]!));
    assert.equal(String(await client.body(3)), 'value');
  });

  it('6.4 ignores what crosses its own reset', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    client.send(
      open(1),
      windowUpdate(1, 0),
      data(1, Buffer.of(1)),
      rstStream(1, 8),
      request(1, '/echo'),
      data(1, nothing),
    );
    assert.equal(await client.resetCode(1), protocolError);
    await client.ping();
    assert.equal(
      client.frames.some(({ type }) => type === frameType.goaway || type === frameType.rstStream),
      false,
    );
  });

  it('6.5.2 sends frames as large as the client takes', async () => {
    await using server = await startEcho();
    using client = new RawClient(
      server.port,
      settings([setting.initialWindowSize, 2 ** 30], [setting.maxFrameSize, 30_000]),
    );
    client.send(windowUpdate(0, 2 ** 30), request(1, '/big?70000'));
    const sizes = [];
    for (let index = 0; index < 3; index++) sizes.push((await client.next(frameType.data, 1)).payload.length);
    assert.deepEqual(sizes, [30_000, 30_000, 10_000]);
  });

  it('6.7 answers a PING with its bytes', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    client.send(frame(frameType.ping, 0, 0, Buffer.from('12345678')));
    const { flags, payload } = await client.next(frameType.ping);
    assert.deepEqual([flags, String(payload)], [flag.ack, '12345678']);
  });

  it('6.8 answers what was asked before GOAWAY', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    client.send(open(1), goaway(0), data(1, Buffer.from('last'), flag.endStream));
    assert.equal(String(await client.body(1)), 'last');
  });

  it('6.9 sends no more than the windows of stream and connection allow', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port, settings([setting.initialWindowSize, 10]));
    client.send(request(1, '/big?25'));
    assert.equal((await client.next(frameType.data, 1)).payload.length, 10);
    client.send(windowUpdate(1, 4));
    assert.equal((await client.next(frameType.data, 1)).payload.length, 4);
    // The window becomes negative, and must be made up for.
    client.send(settings([setting.initialWindowSize, 0]), windowUpdate(1, 9));
    await client.ping();
    assert.equal(
      client.frames.some(({ type }) => type === frameType.data),
      false,
    );
    client.send(settings([setting.initialWindowSize, 11]));
    assert.equal((await client.next(frameType.data, 1)).payload.length, 10);
    client.send(windowUpdate(1, 100));
    assert.equal((await client.body(1)).length, 1);
  });

  it('6.9 shares the window of the connection, and goes on when it grows', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port, settings([setting.initialWindowSize, 1_000_000]));
    client.send(request(1, '/big?60000'), request(3, '/big?60000'));
    assert.equal((await client.body(1)).length, 60_000);
    await client.ping();
    const early = client.frames.filter(({ type, streamId }) => type === frameType.data && streamId === 3);
    assert.equal(
      early.reduce((sum, { payload }) => sum + payload.length, 0),
      5535,
    );
    client.send(windowUpdate(0, 100_000));
    assert.equal((await client.body(3)).length, 60_000);
  });

  it('6.9 gives credit for what was taken, padding included', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    client.send(open(1));
    const frames = Math.ceil(streamWindowBytes / 2 / 16_384);
    const payload = Buffer.concat([Buffer.of(255), Buffer.alloc(16_383)]);
    for (let index = 0; index < frames; index++) client.send(data(1, payload, flag.padded));
    const { payload: increment } = await client.next(frameType.windowUpdate, 1);
    assert.equal(increment.readUInt32BE(), frames * 16_384);
    assert.equal(server.receivedBytes, frames * (16_384 - 256));
  });

  it('8.1 takes trailers', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    client.send(open(1), data(1, Buffer.from('body')), headers(wholeRequest, 1, encodeFields({ 'x-y': 'z' })));
    assert.equal(String(await client.body(1)), 'body');
  });

  it('answers with headers, body and trailers', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    client.send(open(1), data(1, Buffer.from('body'), flag.endStream));
    const first = await client.next(frameType.headers, 1);
    assert.deepEqual([first.flags, first.payload[0]], [flag.endHeaders, 0x88]);
    const body = await client.next(frameType.data, 1);
    assert.deepEqual([body.flags, String(body.payload)], [0, 'body']);
    const last = await client.next(frameType.headers, 1);
    assert.deepEqual([last.flags, last.payload], [wholeRequest, encodeFields({ 'grpc-status': '0' })]);
  });

  it('says once that it uses no header table when the client limits it (RFC 7541, 4.2)', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port, settings([setting.headerTableSize, 0]));
    client.send(request(1, '/echo'), request(3, '/echo'));
    assert.deepEqual([...(await client.next(frameType.headers, 1)).payload.subarray(0, 2)], [0x20, 0x88]);
    assert.equal((await client.next(frameType.headers, 3)).payload[0], 0x88);
  });

  it('answers before the request is complete, and stops who goes on sending', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    client.send(request(1, '/early', 0));
    assert.equal((await client.body(1)).length, 0);
    for (let index = 0; index < 70; index++) client.send(data(1, Buffer.alloc(16_384)));
    assert.equal(await client.resetCode(1), errorCode.noError);
    client.send(data(1, uint32(1)), request(3, '/header?:path'));
    assert.equal(String(await client.body(3)), '/header?:path');
  });
});
