/** What RFC 9113 demands of a server when clients make mistakes, frame by frame. The numbers are its sections. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { maxDataBytes } from './frame-parser.ts';
import { frame, rstStream, windowUpdate } from './frames.ts';
import { encodeFields } from './hpack-encoder.ts';
import { errorCode, flag, frameType, max31Bits, setting } from './protocol.ts';
import { streamWindowBytes } from './settings.ts';
import { startEcho } from './testing/echo-server.ts';
import { data, emptySettings, RawClient, request, requestBlock, settings } from './testing/raw-client.ts';

const { protocolError, frameSizeError, flowControlError, streamClosed, compressionError, enhanceYourCalm } = errorCode;

const nothing = Buffer.alloc(0);
const open = (streamId: number, path = '/echo') => request(streamId, path, 0);
const headers = (flags: number, streamId: number, block: Uint8Array) =>
  frame(frameType.headers, flags, streamId, block);
const more = (flags: number, streamId: number, block: Uint8Array) =>
  frame(frameType.continuation, flags, streamId, block);
const wholeRequest = flag.endHeaders | flag.endStream;

/** What ends the connection, and with which code. */
const connectionErrors: Readonly<Record<string, readonly [number, readonly Uint8Array[]]>> = {
  '4.2 a frame beyond the largest': [frameSizeError, [open(1), data(1, Buffer.alloc(maxDataBytes + 1))]],
  '4.3 a block that cannot be decoded': [compressionError, [headers(wholeRequest, 1, Buffer.of(0xff))]],
  '4.3 a block that is cut off by another stream': [protocolError, [headers(0, 1, requestBlock('/echo')), open(3)]],
  '4.3 a block that is cut off by DATA': [protocolError, [headers(0, 1, requestBlock('/echo')), data(1, nothing)]],
  '4.3 a block that is cut off by an unknown type': [
    protocolError,
    [headers(0, 1, requestBlock('/echo')), frame(200, 0, 1, nothing)],
  ],
  '5.1 DATA on an idle stream': [protocolError, [data(1, Buffer.of(1))]],
  '5.1 RST_STREAM on an idle stream': [protocolError, [rstStream(1, 8)]],
  '5.1 WINDOW_UPDATE on an idle stream': [protocolError, [windowUpdate(1, 1)]],
  '5.1 HEADERS on a closed stream': [streamClosed, [open(1), rstStream(1, 8), open(1)]],
  '5.1.1 an even stream': [protocolError, [open(2)]],
  '5.1.1 a stream below one that was opened': [streamClosed, [open(5), open(3)]],
  '6.1 DATA on stream 0': [protocolError, [data(0, Buffer.of(1))]],
  '6.1 padding as long as the frame': [protocolError, [open(1), data(1, Buffer.of(2, 0), flag.padded)]],
  '6.1 padding without a length': [frameSizeError, [open(1), data(1, nothing, flag.padded)]],
  '6.2 HEADERS on stream 0': [protocolError, [open(0)]],
  '6.2 padded HEADERS that are too short': [
    protocolError,
    [headers(wholeRequest | flag.padded, 1, Buffer.of(9, 0x82))],
  ],
  '6.3 PRIORITY on stream 0': [protocolError, [frame(frameType.priority, 0, 0, Buffer.alloc(5))]],
  '6.4 RST_STREAM on stream 0': [protocolError, [rstStream(0, 8)]],
  '6.4 RST_STREAM of a wrong length': [frameSizeError, [open(1), frame(frameType.rstStream, 0, 1, Buffer.alloc(3))]],
  '6.5 SETTINGS on a stream': [protocolError, [frame(frameType.settings, 0, 1, nothing)]],
  '6.5 an acknowledgement with a payload': [frameSizeError, [frame(frameType.settings, flag.ack, 0, Buffer.alloc(6))]],
  '6.5 SETTINGS of a wrong length': [frameSizeError, [frame(frameType.settings, 0, 0, Buffer.alloc(5))]],
  '6.5.2 ENABLE_PUSH of 2': [protocolError, [settings([setting.enablePush, 2])]],
  '6.5.2 a window that is too large': [flowControlError, [settings([setting.initialWindowSize, 2 ** 31])]],
  '6.5.2 a frame size that is too small': [protocolError, [settings([setting.maxFrameSize, 16_383])]],
  '6.5.2 a frame size that is too large': [protocolError, [settings([setting.maxFrameSize, 2 ** 24])]],
  '6.6 PUSH_PROMISE': [protocolError, [frame(frameType.pushPromise, flag.endHeaders, 1, Buffer.alloc(8))]],
  '6.7 PING on a stream': [protocolError, [frame(frameType.ping, 0, 1, Buffer.alloc(8))]],
  '6.7 PING of a wrong length': [frameSizeError, [frame(frameType.ping, 0, 0, Buffer.alloc(7))]],
  '6.8 GOAWAY on a stream': [protocolError, [frame(frameType.goaway, 0, 1, Buffer.alloc(8))]],
  '6.9 WINDOW_UPDATE of 0 on the connection': [protocolError, [windowUpdate(0, 0)]],
  '6.9 WINDOW_UPDATE of a wrong length': [frameSizeError, [frame(frameType.windowUpdate, 0, 0, Buffer.alloc(3))]],
  '6.9.1 a connection window that overflows': [flowControlError, [windowUpdate(0, max31Bits)]],
  '6.9.2 a stream window that overflows by SETTINGS': [
    flowControlError,
    [open(1), windowUpdate(1, max31Bits - 65_535), settings([setting.initialWindowSize, 65_536])],
  ],
  '6.10 CONTINUATION without HEADERS': [protocolError, [more(flag.endHeaders, 1, requestBlock('/echo'))]],
  '6.10 CONTINUATION on another stream': [
    protocolError,
    [headers(0, 1, requestBlock('/echo')), more(flag.endHeaders, 3, nothing)],
  ],
  '10.5 CONTINUATION without an end': [
    enhanceYourCalm,
    [headers(0, 1, nothing), ...Array.from({ length: 40 }, () => more(0, 1, nothing))],
  ],
  '10.5 a header block without an end': [
    enhanceYourCalm,
    [headers(0, 1, Buffer.alloc(16_384)), ...Array.from({ length: 5 }, () => more(0, 1, Buffer.alloc(16_384)))],
  ],
  '10.5 too many SETTINGS': [enhanceYourCalm, Array.from({ length: 300 }, () => emptySettings)],
  '10.5 too many empty DATA': [enhanceYourCalm, [open(1), ...Array.from({ length: 1100 }, () => data(1, nothing))]],
  '10.5 too many unknown frames': [enhanceYourCalm, Array.from({ length: 1100 }, () => frame(99, 0, 0, nothing))],
  '10.5 too many streams reset': [
    enhanceYourCalm,
    Array.from({ length: 6000 }, (_, index) => Buffer.concat([open(2 * index + 1), rstStream(2 * index + 1, 8)])),
  ],
  '10.5 too many resets of ours provoked': [
    enhanceYourCalm,
    Array.from({ length: 6000 }, (_, index) =>
      Buffer.concat([open(2 * index + 1, '/hold'), windowUpdate(2 * index + 1, 0)]),
    ),
  ],
};

/** What resets stream 1, and with which code. */
const streamErrors: Readonly<Record<string, readonly [number, readonly Uint8Array[]]>> = {
  '5.1 DATA after the end': [streamClosed, [request(1, '/hold'), data(1, Buffer.of(1))]],
  '5.1 HEADERS after the end': [streamClosed, [request(1, '/hold'), request(1, '/hold')]],
  '5.1 DATA on a stream that the client has reset': [streamClosed, [open(1), rstStream(1, 8), data(1, Buffer.of(1))]],
  '6.3 PRIORITY of a wrong length': [frameSizeError, [open(1), frame(frameType.priority, 0, 1, Buffer.alloc(4))]],
  '6.9 WINDOW_UPDATE of 0': [protocolError, [open(1), windowUpdate(1, 0)]],
  '6.9.1 a window that overflows': [flowControlError, [open(1), windowUpdate(1, max31Bits)]],
  '8.1 trailers that do not end the stream': [
    protocolError,
    [open(1), headers(flag.endHeaders, 1, encodeFields({ 'x-y': 'z' }))],
  ],
  '8.1 trailers with a pseudo-header': [
    protocolError,
    [open(1), headers(wholeRequest, 1, encodeFields({ ':path': '/' }))],
  ],
  '8.1.1 less DATA than announced': [
    protocolError,
    [
      headers(flag.endHeaders, 1, requestBlock('/echo', { 'content-length': '3' })),
      data(1, Buffer.alloc(2), flag.endStream),
    ],
  ],
};

const block = (fields: Record<string, string>) => encodeFields(fields);
const usual = { ':method': 'POST', ':scheme': 'http', ':path': '/echo' };

const malformed: Readonly<Record<string, Buffer>> = {
  '8.2 an upper-case name': block({ ...usual, 'X-Y': 'z' }),
  '8.2 an empty name': block({ ...usual, '': 'z' }),
  '8.2.1 a line break in a value': block({ ...usual, 'x-y': 'a\r\nb' }),
  '8.2.1 a zero byte in a value': block({ ...usual, 'x-y': 'a\0b' }),
  '8.2.1 space around a value': block({ ...usual, 'x-y': ' a' }),
  '8.2.2 a header of HTTP/1.1': block({ ...usual, connection: 'close' }),
  '8.2.2 te other than trailers': block({ ...usual, te: 'gzip' }),
  '8.3 a pseudo-header behind another': block({ ':method': 'POST', 'x-y': 'z', ':scheme': 'http', ':path': '/' }),
  '8.3 an unknown pseudo-header': block({ ...usual, ':other': 'z' }),
  '8.3 a pseudo-header of responses': block({ ...usual, ':status': '200' }),
  '8.3 a pseudo-header twice': Buffer.concat([block(usual), block({ ':path': '/' })]),
  '8.3.1 no method': block({ ':scheme': 'http', ':path': '/' }),
  '8.3.1 no scheme': block({ ':method': 'POST', ':path': '/' }),
  '8.3.1 no path': block({ ':method': 'POST', ':scheme': 'http' }),
  '8.3.1 an empty path': block({ ...usual, ':path': '' }),
};

describe('RFC 9113: what ends the connection', () => {
  for (const [name, [code, frames]] of Object.entries(connectionErrors)) {
    it(name, async () => {
      await using server = await startEcho();
      using client = new RawClient(server.port);
      client.send(...frames);
      assert.equal(await client.goawayCode(), code);
      assert.equal(server.open.size, 0);
      assert.deepEqual(server.errors, []);
    });
  }

  it('3.4 a wrong preface', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port, nothing, Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'));
    assert.equal(await client.goawayCode(), protocolError);
  });

  it('3.4 a preface without SETTINGS', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port, request(1, '/echo'));
    assert.equal(await client.goawayCode(), protocolError);
    assert.equal(server.open.size, 0);
  });

  it('6.9.1 more DATA than the connection takes', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    const frame16k = Buffer.alloc(16 * 1024);
    // Four full windows of streams that take nothing are the window of the connection.
    for (let index = 0; index < 4; index++) {
      client.send(request(index * 2 + 1, '/paused', 0));
      for (let sent = 0; sent < streamWindowBytes; sent += frame16k.length) client.send(data(index * 2 + 1, frame16k));
    }
    await client.ping();
    client.send(request(9, '/paused', 0), data(9, Buffer.of(1)));
    assert.equal(await client.goawayCode(), flowControlError);
  });
});

describe('RFC 9113: what resets a stream', () => {
  for (const [name, [code, frames]] of Object.entries(streamErrors)) {
    it(name, async () => {
      await using server = await startEcho();
      using client = new RawClient(server.port);
      client.send(...frames);
      assert.equal(await client.resetCode(1), code);
      client.send(request(3, '/header?:path'));
      assert.equal(String(await client.body(3)), '/header?:path');
      assert.deepEqual([...server.open], []);
    });
  }

  for (const [name, bytes] of Object.entries(malformed)) {
    it(name, async () => {
      await using server = await startEcho();
      using client = new RawClient(server.port);
      client.send(headers(wholeRequest, 1, bytes));
      assert.equal(await client.resetCode(1), protocolError);
      client.send(request(3, '/header?:path'));
      assert.equal(String(await client.body(3)), '/header?:path');
    });
  }

  it('5.1.2 streams beyond the limit', async () => {
    await using server = await startEcho({ grpcMaxStreams: 2 });
    using client = new RawClient(server.port);
    client.send(open(1, '/hold'), open(3, '/hold'), request(5, '/echo'));
    assert.equal(await client.resetCode(5), errorCode.refusedStream);
    client.send(rstStream(1, 8), request(7, '/header?:path'));
    assert.equal(String(await client.body(7)), '/header?:path');
    assert.equal(server.open.size, 1);
  });

  it('6.9.1 more DATA than the stream takes', async () => {
    await using server = await startEcho();
    using client = new RawClient(server.port);
    client.send(request(1, '/paused', 0));
    for (let sent = 0; sent < streamWindowBytes; sent += 16_384) client.send(data(1, Buffer.alloc(16_384)));
    await client.ping();
    assert.deepEqual(server.gone, []);
    client.send(data(1, Buffer.of(1)));
    assert.equal(await client.resetCode(1), flowControlError);
    assert.deepEqual(server.gone, ['/paused']);
  });
});
