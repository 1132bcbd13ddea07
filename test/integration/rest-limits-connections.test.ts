/** Connections and load: slow, idle, too many or too large ones are cut or refused; draining loses nothing that was accepted. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { type TestContext, test } from 'node:test';
import type { SettingName } from '../../src/config/schema.ts';
import { modelFolder, serve, storeIris, type TestServer } from '../e2e/support/serve.ts';
import { ask, askJson, jsonOf, predictUrl, RawConnection } from './support/rest-client.ts';

const setosa = { features: [5.1, 3.5, 1.4, 0.2] };
const body = JSON.stringify(setosa);

async function irisServer(context: TestContext, given: Partial<Record<SettingName, string>> = {}): Promise<TestServer> {
  const models = await modelFolder();
  await storeIris(models);
  const server = await serve(models, given);
  context.after(() => server.stop());
  return server;
}

function head(lines: readonly string[], path = '/api/v1/predict'): string {
  return [`POST ${path} HTTP/1.1`, 'host: x', 'content-type: application/json', ...lines, '', ''].join('\r\n');
}

const wholeRequest = head([`content-length: ${body.length}`]) + body;

/** Milliseconds until the server has closed the connection, and what it said. */
async function measureCut(connection: RawConnection): Promise<{ ms: number; said: string }> {
  const begun = performance.now();
  const said = await connection.ended;
  return { ms: performance.now() - begun, said };
}

async function assertAnswers(server: TestServer): Promise<void> {
  const { status, body: answer } = await askJson(predictUrl(server), setosa);
  assert.deepEqual([status, answer.label], [200, 'setosa']);
}

test('headers over 16 KiB are refused with 431 in the form of every error', async (context) => {
  const server = await irisServer(context);
  const said = await new RawConnection(server.url, head([`x-large: ${'x'.repeat(20_000)}`])).ended;
  assert.match(said, /^HTTP\/1\.1 431 /);
  assert.equal(JSON.parse(said.split('\r\n\r\n')[1]!).error.code, 'PAYLOAD_TOO_LARGE');
  const many = await new RawConnection(server.url, head(Array.from({ length: 3000 }, (_, index) => `x-${index}: 1`)))
    .ended;
  assert.match(many, /^HTTP\/1\.1 431 /);
  await assertAnswers(server);
});

test('bytes that are no HTTP get a 400 and the connection is closed', async (context) => {
  const server = await irisServer(context);
  for (const text of [
    'nonsense\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
    head(['content-length: -1']),
    '\x16\x03\x01\x02\x00\x01',
  ]) {
    const said = await new RawConnection(server.url, text).ended;
    assert.match(said, /^HTTP\/1\.1 400 /, JSON.stringify(text));
    assert.equal(JSON.parse(said.split('\r\n\r\n')[1]!).error.code, 'INVALID_INPUT');
  }
  const both = head(['content-length: 5', 'transfer-encoding: chunked']);
  assert.match(await new RawConnection(server.url, `${both}0\r\n\r\n`).ended, /^HTTP\/1\.1 400 /);
  await assertAnswers(server);
});

test('clients that send headers or bodies too slowly, or nothing at all, are cut in time', async (context) => {
  const limits = { headersTimeoutMs: '300', requestTimeoutMs: '600', keepAliveTimeoutMs: '300' };
  const server = await irisServer(context, limits);
  await assertAnswers(server);
  const idle = new RawConnection(server.url, wholeRequest);
  await idle.until('setosa');
  const slow: [string, RawConnection, number][] = [
    ['nothing sent', new RawConnection(server.url), 300],
    ['half a header', new RawConnection(server.url, 'POST /api/v1/predict HTTP/1.1\r\nhos'), 300],
    ['no body', new RawConnection(server.url, head(['content-length: 58'])), 600],
    ['half a body', new RawConnection(server.url, head(['content-length: 58']) + body.slice(0, 9)), 600],
    [
      'half a chunked body',
      new RawConnection(server.url, `${head(['transfer-encoding: chunked'])}5\r\n{"fea\r\n`),
      600,
    ],
    ['half a gzip body', new RawConnection(server.url, head(['content-length: 58', 'content-encoding: gzip'])), 600],
    ['a body for an unknown route', new RawConnection(server.url, head(['content-length: 58'], '/nope')), 600],
    // Node adds a second of grace to the announced time.
    ['idle after an answer', idle, 1300],
  ];
  await Promise.all(
    slow.map(async ([what, connection, limitMs]) => {
      const { ms } = await measureCut(connection);
      assert.ok(ms < limitMs + 1000, `${what}: cut after ${ms} ms`);
    }),
  );
  await assertAnswers(server);
});

test('a drip of header bytes does not extend the time for headers', async (context) => {
  const server = await irisServer(context, { headersTimeoutMs: '300', requestTimeoutMs: '600' });
  const connection = new RawConnection(server.url, 'POST /api/v1/predict HTTP/1.1\r\nx: ');
  const drip = setInterval(() => connection.socket.write('x'), 20);
  const { ms, said } = await measureCut(connection);
  clearInterval(drip);
  assert.ok(ms < 1300, `cut after ${ms} ms`);
  assert.match(said, /^HTTP\/1\.1 408 /);
});

test('idle or slow HTTP/2 clients are cut in time too', async (context) => {
  const limits = { headersTimeoutMs: '300', requestTimeoutMs: '600', keepAliveTimeoutMs: '300' };
  const server = await irisServer(context, { http2: 'h2c', ...limits });
  const closing = (session: http2.ClientHttp2Session): Promise<boolean> => {
    const cut = once(session, 'close').then(() => true);
    const late = new Promise<boolean>((resolve) => setTimeout(resolve, 2500, false));
    return Promise.race([cut, late]);
  };
  const idle = http2.connect(server.url);
  const slow = http2.connect(server.url);
  const silent = new RawConnection(server.url);
  for (const session of [idle, slow]) session.on('error', () => undefined);
  const stream = slow.request({ ':method': 'POST', ':path': '/api/v1/predict', 'content-type': 'application/json' });
  stream.on('error', () => undefined);
  stream.write('{"fea');
  const streamCut = once(stream, 'close').then(() => true);
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, 2500, false));
  const said = silent.ended.then(() => true);
  try {
    assert.deepEqual(
      await Promise.all([closing(idle), Promise.race([streamCut, late]), Promise.race([said, late])]),
      [true, true, true],
      'idle session, slow stream, connection that sends nothing: cut within 2.5 s',
    );
  } finally {
    for (const session of [idle, slow]) session.destroy();
    silent.socket.destroy();
  }
});

test('connections beyond maxConnections are closed and the others served', async (context) => {
  const server = await irisServer(context, { maxConnections: '3' });
  const open = Array.from({ length: 3 }, () => new RawConnection(server.url, wholeRequest));
  for (const connection of open) await connection.until('setosa');
  assert.equal(await new RawConnection(server.url, wholeRequest).ended, '');
  for (const connection of open) {
    connection.socket.write(wholeRequest);
    await connection.until('setosa', 2);
  }
  open[0]!.socket.destroy();
  await open[0]!.ended;
  for (const connection of open) connection.socket.destroy();
});

for (const [setting, status, code] of [
  ['maxInFlight', 503, 'OVERLOADED'],
  ['maxInFlightPerClient', 429, 'RATE_LIMITED'],
] as const) {
  test(`requests beyond ${setting} are refused with ${status} and Retry-After, and the place is given back`, async (context) => {
    const server = await irisServer(context, { [setting]: '2' });
    const held = [0, 1].map(
      () => new RawConnection(server.url, head([`content-length: ${body.length}`, 'expect: 100-continue'])),
    );
    // The 100 tells that the request was let in.
    for (const connection of held) await connection.until('100 Continue');
    const reply = await ask(predictUrl(server), { body });
    assert.deepEqual([reply.status, jsonOf(reply).error.code], [status, code]);
    assert.match(reply.headers['retry-after'] ?? '', /^[1-9]\d*$/);
    assert.equal((await ask(`${server.url}/health/live`)).status, 200);
    held[0]!.socket.write(body);
    assert.match(await held[0]!.until('setosa'), /HTTP\/1\.1 200/);
    await assertAnswers(server);
    // A client that leaves gives its place back as well.
    const third = new RawConnection(server.url, head([`content-length: ${body.length}`, 'expect: 100-continue']));
    await third.until('100 Continue');
    third.socket.destroy();
    held[1]!.socket.destroy();
    await Promise.all([third.ended, held[1]!.ended]);
    await assertAnswers(server);
  });
}

test('a request that cannot be answered in time is refused at once with 503 and Retry-After', async (context) => {
  const server = await irisServer(context);
  const hurried = JSON.stringify({ ...setosa, options: { timeoutMs: 0.001 } });
  const reply = await ask(predictUrl(server), { body: hurried });
  assert.deepEqual([reply.status, jsonOf(reply).error.code], [503, 'OVERLOADED']);
  assert.match(reply.headers['retry-after'] ?? '', /^[1-9]\d*$/);
  await assertAnswers(server);
});

test('a request with more rows than may ever wait is told so with 413, as no retry helps', async (context) => {
  const server = await irisServer(context, { maxQueueRows: '4' });
  const instances = JSON.stringify({ instances: Array(5).fill(setosa.features) });
  const reply = await ask(`${predictUrl(server)}/batch`, { body: instances });
  assert.deepEqual([reply.status, jsonOf(reply).error.code], [413, 'PAYLOAD_TOO_LARGE']);
  assert.equal(jsonOf(reply).error.details.expected, 'at most 4 rows');
  await assertAnswers(server);
});

test('draining answers what was accepted, tells connections to close, and takes no new ones', async (context) => {
  const server = await irisServer(context);
  const half = new RawConnection(server.url, head([`content-length: ${body.length}`, 'expect: 100-continue']));
  await half.until('100 Continue');
  const kept = new RawConnection(server.url, wholeRequest);
  await kept.until('setosa');
  const drained = server.drain();
  kept.socket.write('GET /health/ready HTTP/1.1\r\nhost: x\r\n\r\n');
  const ready = (await kept.ended).split('HTTP/1.1 ').at(-1)!;
  assert.match(ready, /^503 /);
  assert.match(ready, /connection: close/i);
  assert.match(ready, /"state":"draining"/);
  await assert.rejects(ask(predictUrl(server), { body }), { code: 'ECONNREFUSED' });
  half.socket.write(body);
  const answer = await half.ended;
  assert.match(answer, /HTTP\/1\.1 200 /);
  assert.match(answer, /connection: close/i);
  assert.match(answer, /setosa/);
  await drained;
});

test('an early refusal of a large body arrives although the client still sends', async (context) => {
  const server = await irisServer(context, { maxJsonBytes: '1000' });
  const large = 'x'.repeat(5_000_000);
  for (const asked of [{ body: large }, { body: large, chunkBytes: 100_000 }]) {
    const reply = await ask(predictUrl(server), asked);
    assert.equal(reply.status, 413);
  }
});
