/** Clients that stop half-way are cut within the time limits; those that merely pause between requests are not. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { SettingName } from '../../src/config/schema.ts';
import { modelFolder, serve, type TestServer } from '../e2e/support/serve.ts';
import { RawConnection } from './support/rest-client.ts';
import { storeIdentity } from './support/rest-models.ts';

/** More than what the kernels' socket buffers of a loopback connection take. */
const largeBytes = 24 * 1024 * 1024;
const large = Buffer.alloc(largeBytes, 7);
const path = '/api/v1/models/echo/predict';
const raw = 'application/octet-stream';

/** A server whose model `echo` answers the bytes it was sent. */
async function echoServer(context: TestContext, given: Partial<Record<SettingName, string>>): Promise<TestServer> {
  const models = await modelFolder();
  await storeIdentity(models, 'echo', 'uint8');
  const server = await serve(models, { compressMinBytes: '0', ...given });
  context.after(() => server.stop());
  return server;
}

function headOf(accept: string, size: number): string {
  const shape = { 'x-tensor-shape': `8,${size / 8}`, 'content-length': size };
  const headers = { host: 'x', 'content-type': raw, accept, ...shape };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`POST ${path} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

/** Requests a large answer and does not read on after its first bytes. */
async function stopReading(server: TestServer, accept: string): Promise<Socket> {
  const { socket } = new RawConnection(server.url, headOf(accept, largeBytes));
  socket.write(large);
  await once(socket, 'data');
  socket.pause();
  return socket;
}

/** Bytes that still arrive when reading goes on, until the connection ends. */
async function readRest(socket: Socket): Promise<number> {
  let bytes = 0;
  socket.on('data', (piece: string) => {
    bytes += piece.length;
  });
  const closed = once(socket, 'close');
  socket.resume();
  await closed;
  return bytes;
}

for (const accept of [raw, 'application/x-ndjson']) {
  test(`a client that does not read its large answer is cut (${accept})`, { timeout: 15_000 }, async (context) => {
    const server = await echoServer(context, {
      requestTimeoutMs: '1500',
      maxConnections: '1',
      ndjsonThresholdRows: '2',
    });
    const socket = await stopReading(server, accept);
    // Its place is the only one: another client is served as soon as the server has let it go.
    while (!(await isServed(server)));
    assert.ok((await readRest(socket)) < largeBytes, 'the rest of the answer is gone');
  });
}

/** False when the connection was refused. Ends in either case. */
async function isServed(server: TestServer): Promise<boolean> {
  const request = 'GET /health/live HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
  return (await new RawConnection(server.url, request).ended).startsWith('HTTP/1.1 200');
}

test('a client that reads slowly but steadily gets its whole answer', async (context) => {
  const server = await echoServer(context, { requestTimeoutMs: '600' });
  const connection = new RawConnection(server.url, headOf(raw, largeBytes));
  const { socket } = connection;
  socket.write(large);
  let bytes = 0;
  const begun = performance.now();
  await new Promise<void>((resolve, reject) => {
    socket.once('close', () => reject(new Error(`cut after ${bytes} bytes`)));
    socket.on('data', (piece: string) => {
      bytes += piece.length;
      if (bytes > largeBytes) resolve();
      socket.pause();
      setTimeout(() => socket.resume(), 4);
    });
  });
  assert.ok(performance.now() - begun > 600, 'slower than the limit, or this proves nothing');
  socket.destroy();
});

test('a kept-alive connection outlives requestTimeoutMs', async (context) => {
  const server = await echoServer(context, { requestTimeoutMs: '300', keepAliveTimeoutMs: '1000' });
  const connection = new RawConnection(server.url, 'GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n');
  await connection.until('live');
  const begun = performance.now();
  await connection.ended;
  assert.ok(performance.now() - begun >= 950, 'kept at least keepAliveTimeoutMs');
});

test('HTTP/2: a body that does not arrive is answered with 408 and the session serves on', async (context) => {
  const server = await echoServer(context, { http2: 'h2c', requestTimeoutMs: '400' });
  const session = http2.connect(server.url);
  context.after(() => session.destroy());
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': raw, 'content-length': '10' });
  stream.write('1234');
  const [headers] = await once(stream, 'response');
  assert.equal(headers[':status'], 408);
  const closed = once(stream, 'close');
  const { error } = JSON.parse(Buffer.concat(await stream.toArray()).toString());
  assert.equal(error.code, 'DEADLINE_EXCEEDED');
  await closed;
  assert.equal(await statusOf(session), 200);
});

test('HTTP/2: an answer that the client has no window for is reset, and the session serves on', async (context) => {
  const server = await echoServer(context, { http2: 'h2c', requestTimeoutMs: '600' });
  const session = http2.connect(server.url, { settings: { initialWindowSize: 1000 } });
  context.after(() => session.destroy());
  const size = 100_000;
  const headers = { 'content-type': raw, 'x-tensor-shape': `1,${size}` };
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  stream.end(Buffer.alloc(size));
  const [answer] = await once(stream, 'response');
  assert.equal(answer[':status'], 200);
  // Unread, so the window stays shut.
  await once(stream, 'close');
  assert.equal(stream.rstCode, http2.constants.NGHTTP2_CANCEL);
});

test('HTTP/2: an idle session gets GOAWAY after keepAliveTimeoutMs, one with a stream open does not', async (context) => {
  const limits = { keepAliveTimeoutMs: '300', requestTimeoutMs: '1200' };
  const server = await echoServer(context, { http2: 'h2c', ...limits });
  const idle = http2.connect(server.url);
  const busy = http2.connect(server.url);
  context.after(() => busy.destroy());
  const stream = busy.request({ ':method': 'POST', ':path': path, 'content-type': raw, 'x-tensor-shape': '1,4' });
  stream.write('12');
  assert.equal(await statusOf(idle), 200);
  const closed = once(idle, 'close');
  const [code] = await once(idle, 'goaway');
  assert.equal(code, http2.constants.NGHTTP2_NO_ERROR);
  await closed;
  stream.end('34');
  const [answer] = await once(stream, 'response');
  assert.equal(answer[':status'], 200);
  stream.resume();
  await once(stream, 'close');
});

test('HTTP/2: at most 256 streams at once are announced', async (context) => {
  const server = await echoServer(context, { http2: 'h2c' });
  const session = http2.connect(server.url);
  context.after(() => session.destroy());
  const [settings] = await once(session, 'remoteSettings');
  assert.equal(settings.maxConcurrentStreams, 256);
});

async function statusOf(session: http2.ClientHttp2Session): Promise<number> {
  const stream = session.request({ ':path': '/health/live' });
  const [headers] = await once(stream, 'response');
  stream.resume();
  await once(stream, 'close');
  return headers[':status'];
}
