/** What surrounds the answers: compression, timing, ids, caching, negotiation, streaming, pipelining, HTTP/2 and TLS. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import http2 from 'node:http2';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import zlib from 'node:zlib';
import { readMsgpack } from '../../src/protocols/codecs/msgpack-reader.ts';
import { modelFolder, serve, storeIris, type TestServer } from '../e2e/support/serve.ts';
import { makeCertificate, withoutOpenssl } from './support/certificate.ts';
import { ask, jsonOf, predictUrl, RawConnection } from './support/rest-client.ts';
import { storeIdentity } from './support/rest-models.ts';

const row = [5.1, 3.5, 1.4, 0.2];
const virginica = [6.7, 3.0, 5.2, 2.3];
const setosa = JSON.stringify({ features: row });
let server: TestServer;
let url: string;

before(async () => {
  const models = await modelFolder();
  await storeIris(models);
  server = await serve(models, { ndjsonThresholdRows: '100' });
  url = predictUrl(server);
});
after(() => server.stop());

const instances = (count: number): string =>
  JSON.stringify({ instances: Array.from({ length: count }, (_, index) => (index % 2 === 0 ? row : virginica)) });

test('answers from 1 kB are compressed with what the client likes best, smaller ones never', async () => {
  const decoders = { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync } as const;
  for (const [accepted, used] of [
    ['gzip', 'gzip'],
    ['br', 'br'],
    ['gzip, br', 'br'],
    ['br;q=0.5, gzip;q=0.8', 'gzip'],
    ['br;q=0, gzip', 'gzip'],
    ['GZIP', 'gzip'],
  ] as const) {
    const reply = await ask(`${url}/batch`, { body: instances(200), headers: { 'accept-encoding': accepted } });
    assert.equal(reply.headers['content-encoding'], used, accepted);
    assert.equal(reply.headers['content-length'], String(reply.bytes.length));
    assert.match(reply.headers.vary ?? '', /accept-encoding/i);
    assert.equal(JSON.parse(decoders[used](reply.bytes).toString()).predictions.length, 200);
  }
  for (const accepted of ['identity', 'deflate', 'br;q=0', '']) {
    const reply = await ask(`${url}/batch`, { body: instances(200), headers: { 'accept-encoding': accepted } });
    assert.equal(reply.headers['content-encoding'], undefined, accepted);
    assert.equal(jsonOf(reply).count, 200);
  }
  const small = await ask(url, { body: setosa, headers: { 'accept-encoding': 'gzip, br' } });
  assert.equal(small.headers['content-encoding'], undefined);
  assert.equal(jsonOf(small).label, 'setosa');
});

test('Server-Timing names the stages and X-Process-Time the seconds', async () => {
  const reply = await ask(url, { body: setosa });
  const timing = String(reply.headers['server-timing']);
  assert.match(
    timing,
    /^decode;dur=\d+\.\d+, queue;dur=\d+\.\d+, batch;dur=\d+\.\d+, infer;dur=\d+\.\d+, encode;dur=\d+\.\d+$/,
  );
  const stages = [...timing.matchAll(/dur=([\d.]+)/g)].reduce((sum, [, ms]) => sum + Number(ms), 0);
  const total = Number(reply.headers['x-process-time']);
  assert.ok(total > 0 && total < 30 && stages <= total * 1000 + 1, `${timing} of ${total}`);
  const refused = await ask(url, { body: '{' });
  assert.match(String(refused.headers['x-process-time']), /^\d+\.\d{6}$/);
});

test('X-Request-Id is echoed when sane and made when not, in answers and refusals', async () => {
  const ids = new Set<string>();
  for (const body of [setosa, '{']) {
    const echoed = await ask(url, { body, headers: { 'x-request-id': 'Order-17.b_2' } });
    assert.equal(echoed.headers['x-request-id'], 'Order-17.b_2');
    for (const bad of [undefined, '', 'a b', 'x'.repeat(129), '<script>']) {
      const reply = await ask(url, { body, headers: bad === undefined ? {} : { 'x-request-id': bad } });
      const id = String(reply.headers['x-request-id']);
      assert.match(id, /^[A-Za-z0-9._-]{8,128}$/);
      assert.notEqual(id, bad);
      ids.add(id);
    }
  }
  assert.equal(ids.size, 10);
  assert.match(String((await ask(`${server.url}/nope`)).headers['x-request-id']), /./);
  assert.match(String((await ask(`${server.url}/health`)).headers['x-request-id']), /./);
});

test('a valid traceparent comes back with the same trace id and an invalid one is ignored', async () => {
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  const reply = await ask(url, { body: setosa, headers: { traceparent: trace } });
  assert.match(String(reply.headers.traceparent), /^00-4bf92f3577b34da6a3ce929d0e0e4736-[0-9a-f]{16}-01$/);
  for (const bad of [
    'nonsense',
    '00-00000000000000000000000000000000-00f067aa0ba902b7-01',
    `${trace.slice(0, -2)}zz`,
  ]) {
    const ignored = await ask(url, { body: setosa, headers: { traceparent: bad } });
    assert.deepEqual([ignored.status, ignored.headers.traceparent], [200, undefined], bad);
  }
});

test('metadata has an ETag, and the client that has it gets 304 without a body', async () => {
  for (const path of ['/api/v1/models', '/api/v1/models/iris', '/api/v1/models/iris/versions/1']) {
    const first = await ask(`${server.url}${path}`);
    const etag = String(first.headers.etag);
    assert.match(etag, /^"[\w-]+"$/, path);
    assert.match(String(first.headers['cache-control']), /./);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await ask(`${server.url}${path}`, { headers: { 'if-none-match': known } });
      assert.deepEqual([again.status, again.bytes.length, again.headers.etag], [304, 0, etag], known);
    }
    const changed = await ask(`${server.url}${path}`, { headers: { 'if-none-match': '"other"' } });
    assert.deepEqual([changed.status, changed.bytes.toString()], [200, first.bytes.toString()]);
  }
});

test('Accept chooses the answer’s format by quality, and what is unknown falls back to the request’s', async () => {
  for (const [accept, type] of [
    ['*/*', 'application/json'],
    ['application/msgpack', 'application/msgpack'],
    ['application/json;q=0.1, application/x-msgpack', 'application/msgpack'],
    ['text/html, application/xhtml+xml', 'application/json'],
    ['application/octet-stream', 'application/octet-stream'],
    ['application/*', 'application/json'],
    ['', 'application/json'],
  ] as const) {
    const reply = await ask(url, { body: setosa, headers: { accept } });
    assert.deepEqual([reply.status, String(reply.headers['content-type']).split(';')[0]], [200, type], accept);
  }
  const packed = await ask(url, { body: setosa, headers: { accept: 'application/msgpack' } });
  // biome-ignore lint/suspicious/noExplicitAny: read field by field
  const answer: any = readMsgpack(packed.bytes, 10);
  const plain = jsonOf(await ask(url, { body: setosa }));
  assert.deepEqual(
    [answer.prediction, answer.probabilities, answer.label, answer.model, answer.version],
    [plain.prediction, plain.probabilities, plain.label, plain.model, plain.version],
  );
});

test('large batches stream as NDJSON when asked for, with the same rows as JSON', async () => {
  const headers = { accept: 'application/x-ndjson' };
  const streamed = await ask(`${url}/batch`, { body: instances(5000), headers });
  assert.equal(streamed.headers['content-type'], 'application/x-ndjson');
  assert.equal(streamed.headers['content-length'], undefined);
  const text = streamed.bytes.toString();
  assert.ok(text.endsWith('}\n'));
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const { count, model, version, timing } = lines.pop();
  assert.deepEqual([count, model, version, typeof timing.inferMs], [5000, 'iris', '1', 'number']);
  const whole = jsonOf(await ask(`${url}/batch`, { body: instances(5000) }));
  assert.deepEqual(
    lines.map((line) => line.prediction),
    whole.predictions,
  );
  assert.deepEqual(
    lines.map((line) => line.probabilities),
    whole.probabilities,
  );
  assert.deepEqual(
    lines.map((line) => line.label),
    whole.labels,
  );
  const few = await ask(`${url}/batch`, { body: instances(100), headers });
  assert.match(String(few.headers['content-type']), /^application\/json/);
  assert.equal(jsonOf(few).count, 100);
});

test('HEAD answers like GET without a body, OPTIONS does not fail', async () => {
  for (const path of ['/health', '/api/v1/models/iris', '/metrics', '/']) {
    const head = await ask(`${server.url}${path}`, { method: 'HEAD' });
    const get = await ask(`${server.url}${path}`);
    assert.deepEqual([head.status, head.bytes.length], [200, 0], path);
    assert.equal(head.headers['content-type'], get.headers['content-type']);
  }
  const options = await ask(`${server.url}/api/v1/predict`, { method: 'OPTIONS' });
  assert.ok([200, 204, 404, 405].includes(options.status), `OPTIONS ${options.status}`);
});

test('pipelined requests are answered in order, each with its own answer', async () => {
  const requests = Array.from({ length: 40 }, (_, index) => {
    const body = JSON.stringify({ features: index % 3 === 0 ? virginica : row });
    const broken = index % 7 === 5 ? '{}' : body;
    return `POST /api/v1/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nx-request-id: n${index}\r\ncontent-length: ${broken.length}\r\n\r\n${broken}`;
  });
  const connection = new RawConnection(server.url, `${requests.join('')}GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n`);
  const text = await connection.until('"live":true');
  connection.socket.destroy();
  const answers = text.split('HTTP/1.1 ').slice(1);
  for (let index = 0; index < 40; index++) {
    const answer = answers[index]!;
    const expected = index % 7 === 5 ? /"INVALID_INPUT"/ : index % 3 === 0 ? /"label":"virginica"/ : /"label":"setosa"/;
    assert.match(answer, expected, `answer ${index}`);
    assert.match(answer, new RegExp(`x-request-id: n${index}\r`));
  }
});

async function irisServer(context: TestContext, given: Record<string, string>): Promise<TestServer> {
  const models = await modelFolder();
  await storeIris(models);
  const other = await serve(models, given);
  context.after(() => other.stop());
  return other;
}

/** Fifty requests at once over one HTTP/2 session; each answer must be its own. */
async function assertMultiplexes(session: http2.ClientHttp2Session): Promise<void> {
  const failed = once(session, 'error').then(([error]) => Promise.reject(error));
  const answers = Array.from({ length: 50 }, async (_, index) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/api/v1/predict',
      'content-type': 'application/json',
      'x-request-id': `n${index}`,
    });
    stream.end(JSON.stringify({ features: index % 2 === 0 ? row : virginica }));
    const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
    const answer = JSON.parse(Buffer.concat(await stream.toArray()).toString());
    assert.deepEqual(
      [headers[':status'], headers['x-request-id'], answer.label],
      [200, `n${index}`, index % 2 === 0 ? 'setosa' : 'virginica'],
    );
  });
  await Promise.race([Promise.all(answers), failed]);
}

test('h2c answers many streams of one session and refuses too large bodies', async (context) => {
  const other = await irisServer(context, { http2: 'h2c', maxJsonBytes: '1000' });
  const session = http2.connect(other.url);
  await assertMultiplexes(session);
  const large = session.request({ ':method': 'POST', ':path': '/api/v1/predict', 'content-type': 'application/json' });
  large.on('error', () => undefined);
  large.end('x'.repeat(5000));
  const [headers] = (await once(large, 'response')) as [http2.IncomingHttpHeaders];
  assert.equal(headers[':status'], 413);
  assert.equal(JSON.parse(Buffer.concat(await large.toArray()).toString()).error.code, 'PAYLOAD_TOO_LARGE');
  await assertMultiplexes(session);
});

async function certificate(context: TestContext): Promise<{ tlsCert: string; tlsKey: string }> {
  const folder = await mkdtemp(join(tmpdir(), 'hotpath-tls-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return makeCertificate(folder, 'server');
}

async function assertHttps(base: string): Promise<void> {
  const request = https.request(`${base}/api/v1/predict`, {
    method: 'POST',
    agent: false,
    rejectUnauthorized: false,
    headers: { 'content-type': 'application/json' },
  });
  request.end(setosa);
  const [response] = await once(request, 'response');
  assert.equal(JSON.parse(Buffer.concat(await response.toArray()).toString()).label, 'setosa');
}

test('TLS serves HTTP/1.1, and with http2 "tls" both by ALPN', { skip: withoutOpenssl() }, async (context) => {
  const pem = await certificate(context);
  const plain = await irisServer(context, pem);
  assert.match(plain.url, /^https:/);
  await assertHttps(plain.url);
  const both = await irisServer(context, { ...pem, http2: 'tls' });
  await assertHttps(both.url);
  const session = http2.connect(both.url, { rejectUnauthorized: false });
  context.after(() => session.destroy());
  await assertMultiplexes(session);
  assert.equal(session.alpnProtocol, 'h2');
});

test('large bodies over TLS, many at once, come back as they were', { skip: withoutOpenssl() }, async (context) => {
  const models = await modelFolder();
  await storeIdentity(models, 'echo', 'uint8');
  const server = await serve(models, await certificate(context));
  context.after(() => server.stop());
  const agent = new https.Agent({ keepAlive: true, maxSockets: 8, rejectUnauthorized: false });
  context.after(() => agent.destroy());
  const send = async (size: number, value: number): Promise<void> => {
    const body = Buffer.alloc(size, value);
    const type = 'application/octet-stream';
    const headers = { 'content-type': type, accept: type, 'x-tensor-shape': `1,${size}`, 'content-length': size };
    const url = `${server.url}/api/v1/models/echo/predict`;
    const request = https.request(url, { method: 'POST', agent, headers });
    request.end(body);
    const [response] = await once(request, 'response');
    assert.equal(response.statusCode, 200);
    assert.ok(body.equals(Buffer.concat(await response.toArray())), `${size} bytes of ${value}`);
  };
  for (let round = 0; round < 4; round++) {
    await Promise.all(Array.from({ length: 40 }, (_, index) => send(1000 + index * 9973, (index * 7 + round) % 256)));
  }
});
