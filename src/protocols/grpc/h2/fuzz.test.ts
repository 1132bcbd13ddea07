/** Random frames on live connections, from the plausible to the absurd: no bug of ours, no leak, and others are served. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { frame } from './frames.ts';
import { errorCode, flag, frameType } from './protocol.ts';
import { type EchoServer, startEcho } from './testing/echo-server.ts';
import { data, emptySettings, RawClient, request, requestBlock, settings } from './testing/raw-client.ts';

const codes = Object.values(errorCode) as number[];

async function assertServes(server: EchoServer): Promise<void> {
  using client = new RawClient(server.port);
  client.send(request(1, '/header?:path'));
  assert.equal(String(await client.body(1)), '/header?:path');
  assert.deepEqual(server.errors, []);
}

/** Sends, ends its side, and looks at how the server ended. */
async function assault(server: EchoServer, bytes: Buffer): Promise<void> {
  using client = new RawClient(server.port);
  client.socket.end(bytes);
  client.socket.resume();
  await client.closed;
  const last = client.frames.findLast(({ type }) => type === frameType.goaway);
  if (last !== undefined) assert.ok(codes.includes(last.payload.readUInt32BE(4)));
}

const streamId = fc.constantFrom(0, 1, 1, 3, 3, 5, 2, 101, 0x7fff_ffff);
const path = fc.constantFrom('/echo', '/stream', '/hold', '/early', '/paused', '/big?70000', '/header?:path', '');
const flags = fc.constantFrom(0, 1, 4, 5, 8, 13, 32, 37, 45, 255);
const anyFrame = fc.oneof(
  fc
    .tuple(fc.nat(12), flags, streamId, fc.uint8Array({ maxLength: 40 }))
    .map(([type, flags, id, bytes]) => frame(type, flags, id, bytes)),
  fc.tuple(flags, streamId, path).map(([flags, id, path]) => frame(frameType.headers, flags, id, requestBlock(path))),
  fc.tuple(streamId, path, fc.boolean()).map(([id, path, ends]) => request(id, path, ends ? flag.endStream : 0)),
  fc.tuple(streamId, fc.nat(3000), fc.constantFrom(0, 1)).map(([id, size, ends]) => data(id, Buffer.alloc(size), ends)),
  fc
    .tuple(fc.integer({ min: 1, max: 6 }), fc.constantFrom(0, 1, 20_000, 65_535, 0x7fff_ffff))
    .map(([id, value]) => settings([id, value])),
  fc
    .tuple(streamId, fc.constantFrom(0, 1, 1000, 0x7fff_ffff))
    .map(([id, value]) =>
      frame(frameType.windowUpdate, 0, id, Buffer.of(value >>> 24, value >>> 16, value >>> 8, value)),
    ),
  fc.constant(emptySettings),
);

describe('random frames', () => {
  it('end the connection properly, or not at all', async () => {
    await using server = await startEcho();
    await fc.assert(
      fc.asyncProperty(fc.array(anyFrame, { maxLength: 12 }), (frames) => assault(server, Buffer.concat(frames))),
      { numRuns: 400 },
    );
    assert.equal(server.open.size, 0);
    await assertServes(server);
  });

  it('do so when single bytes of good frames are wrong', async () => {
    await using server = await startEcho();
    const good = Buffer.concat([
      request(1, '/echo', 0),
      data(1, Buffer.from('some bytes'), flag.endStream),
      settings([4, 100_000], [5, 20_000]),
      request(3, '/big?100000'),
      frame(frameType.windowUpdate, 0, 0, Buffer.of(0, 1, 0, 0)),
      request(5, '/stream', 0),
      data(5, Buffer.alloc(100)),
      frame(frameType.ping, 0, 0, Buffer.alloc(8)),
      data(5, Buffer.alloc(0), flag.endStream),
    ]);
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
        const bytes = Buffer.from(good);
        bytes[at] = byte;
        return assault(server, bytes);
      }),
      { numRuns: 300 },
    );
    assert.equal(server.open.size, 0);
    await assertServes(server);
  });
});
