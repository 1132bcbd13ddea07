/** Size and form of request bodies: every limit is met by a request just over it, sent to the real server. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import zlib from 'node:zlib';
import { modelFolder, serve, storeIris, type TestServer } from '../e2e/support/serve.ts';
import { ask, jsonOf, predictUrl, type Reply } from './support/rest-client.ts';

const row = [5.1, 3.5, 1.4, 0.2];
const setosa = JSON.stringify({ features: row });
const maxJsonBytes = 300_000;
const maxBodyBytes = 1_500_000;

let server: TestServer;
let url: string;

before(async () => {
  const models = await modelFolder();
  await storeIris(models);
  const limits = {
    maxJsonBytes: String(maxJsonBytes),
    maxBodyBytes: String(maxBodyBytes),
    maxDecompressionRatio: '50',
    maxQueueRows: '200000',
  };
  server = await serve(models, { ...limits, maxJsonDepth: '20' });
  url = predictUrl(server);
});
after(() => server.stop());

/** Exactly `{"error": {"code", "message", "details"?}}`, one sentence, nothing of the server's inside. */
function assertRefused(reply: Reply, status: number, code: string, words?: RegExp): void {
  const text = reply.bytes.toString();
  assert.equal(reply.status, status, text);
  assert.match(reply.headers['content-type'] ?? '', /^application\/json/);
  const body = jsonOf(reply);
  assert.deepEqual(Object.keys(body), ['error'], text);
  const { code: given, message, details, ...rest } = body.error;
  assert.deepEqual([given, rest], [code, {}], text);
  assert.ok(typeof message === 'string' && message.length > 10, text);
  assert.ok(details === undefined || (typeof details === 'object' && !Array.isArray(details)), text);
  assert.doesNotMatch(text, /node:|node_modules|\.ts\b|\n\s+at |hotpath-e2e|\/src\//);
  if (words !== undefined) assert.match(message, words);
}

async function assertStillAnswers(): Promise<void> {
  const reply = await ask(url, { body: setosa });
  assert.deepEqual([reply.status, jsonOf(reply).label], [200, 'setosa']);
}

const msgpack = { 'content-type': 'application/msgpack' };
const raw = { 'content-type': 'application/octet-stream' };

const padded = (size: number): string => setosa.slice(0, -1) + ' '.repeat(size - setosa.length) + setosa.slice(-1);

for (const chunkBytes of [undefined, 16_384]) {
  const how = chunkBytes === undefined ? 'by Content-Length' : 'in chunks';
  test(`JSON of exactly maxJsonBytes is read and one byte more is refused, ${how}`, async () => {
    const asked = (size: number) => ({ body: padded(size), ...(chunkBytes === undefined ? {} : { chunkBytes }) });
    const fits = await ask(url, asked(maxJsonBytes));
    assert.deepEqual([fits.status, jsonOf(fits).label], [200, 'setosa']);
    assertRefused(await ask(url, asked(maxJsonBytes + 1)), 413, 'PAYLOAD_TOO_LARGE', /300000 bytes/);
    await assertStillAnswers();
  });

  test(`a binary body may be larger than JSON, up to maxBodyBytes, ${how}`, async () => {
    const asked = (size: number) => ({
      body: Buffer.alloc(size),
      headers: raw,
      ...(chunkBytes === undefined ? {} : { chunkBytes }),
    });
    const fits = await ask(url, asked(800_000));
    assert.equal(fits.status, 200, fits.bytes.toString().slice(0, 300));
    assert.equal(jsonOf(fits).count, 50_000);
    assertRefused(await ask(url, asked(maxBodyBytes + 1)), 413, 'PAYLOAD_TOO_LARGE', /1500000 bytes/);
    assertRefused(
      await ask(url, { ...asked(maxBodyBytes + 1), headers: msgpack }),
      413,
      'PAYLOAD_TOO_LARGE',
      /1500000 bytes/,
    );
  });
}

test('the documented defaults are 64 MiB for bodies and 8 MiB for JSON, by Content-Length alone', async () => {
  const models = await modelFolder();
  await storeIris(models);
  const usual = await serve(models);
  try {
    const MiB = 1024 * 1024;
    for (const [type, size] of [
      ['application/json', 8 * MiB],
      ['application/msgpack', 64 * MiB],
      ['application/octet-stream', 64 * MiB],
    ] as const) {
      const headers = { 'content-type': type, 'content-length': size + 1, expect: '100-continue' };
      const reply = await ask(predictUrl(usual), { method: 'POST', headers });
      assertRefused(reply, 413, 'PAYLOAD_TOO_LARGE', new RegExp(`${size} bytes`));
    }
  } finally {
    await usual.stop();
  }
});

test('nesting beyond maxJsonDepth is refused in JSON and MessagePack, however long the body', async () => {
  const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
  const deep = /deeper than 20 levels/;
  assertRefused(await ask(url, { body: nested(21) }), 400, 'INVALID_INPUT', deep);
  assertRefused(await ask(url, { body: nested(130_000) }), 400, 'INVALID_INPUT', deep);
  const long = `{"features":${JSON.stringify(Array(60_000).fill(1.5))},"x":${nested(21)}}`;
  assertRefused(await ask(url, { body: long }), 400, 'INVALID_INPUT', deep);
  const packed = Buffer.concat([Buffer.alloc(200_000, 0x91), Buffer.from([1])]);
  assertRefused(await ask(url, { body: packed, headers: msgpack }), 400, 'INVALID_INPUT', deep);
  const shallow = await ask(url, { body: nested(20) });
  assert.doesNotMatch(jsonOf(shallow).error.message, deep);
});

test('text that is no JSON is refused at its position, short or long', async () => {
  for (const [body, words] of [
    ['{"features":[5.1,3.5,1.4,0.2]', /position 29/],
    ['{"features":[5.1,3.5,1.4,0.2]}}', /position 30/],
    ['{"features":[5.1,3.5,1.4,NaN]}', /position 25/],
    ['{"features":[5.1,3.5,1.4,0.2,]}', /position 29/],
    ["{'features':[]}", /position 1\b/],
    ['', /position 0/],
    ['\ufeff{"features":[5.1,3.5,1.4,0.2]}', /position 0/],
  ] as const) {
    assertRefused(await ask(url, { body }), 400, 'INVALID_INPUT', words);
  }
  const latin = Buffer.from('{"features":[5.1],"model":"caf\xe9"}', 'latin1');
  assertRefused(await ask(url, { body: latin }), 400, 'INVALID_INPUT', /UTF-8/);
});

test('a long body that breaks off, has a comma too many or holds two values is refused like a short one', async () => {
  const pad = ' '.repeat(140_000);
  const numbers = `5.1,3.5,1.4,0.2`;
  for (const [what, body] of [
    ['ends after a comma', `{"features":[${numbers}],${pad.replaceAll(' ', '\n')}"options":{},`],
    ['list ends after a comma', `{${pad}"features":[${numbers},`],
    ['object ends after a comma', `{"features":[${numbers}]${pad},`],
    ['trailing comma in the list', `{${pad}"features":[${numbers},]}`],
    ['trailing comma in the object', `{"features":[${numbers}]${pad},}`],
    ['trailing comma at the cut', `{"features":[${numbers}${pad},]}`],
    ['leading comma at the cut', `{"features":[${pad},${numbers}]}`],
    ['a second value', `{"features":[${numbers}]}${pad},{"features":[${numbers}]}`],
    ['a value before', `1${pad},{"features":[${numbers}]}`],
    ['text behind', `{"features":[${numbers}]}${pad}x`],
    ['no end', `{"features":[${numbers}]${pad}`],
  ] as const) {
    const reply = await ask(url, { body });
    assert.equal(reply.status, 400, `${what}: ${reply.bytes.toString().slice(0, 200)}`);
    assertRefused(reply, 400, 'INVALID_INPUT', /not valid JSON/);
  }
});

test('a long string in a wrong place is refused like a short one', async () => {
  const text = JSON.stringify('x'.repeat(250_000));
  for (const body of [
    `{"features":[1,{"a":1},${text}]}`,
    `{"features":[1,2,${text}]`,
    `{"features":[1,2,3,4],${text}}`,
    `{"model":${text},"model":${text.slice(0, 1000)}"}`,
  ]) {
    assertRefused(await ask(url, { body }), 400, 'INVALID_INPUT');
  }
  await assertStillAnswers();
});

test('every known Content-Encoding is decoded', async () => {
  const encoders: [string, (text: string) => Buffer][] = [
    ['gzip', (text) => zlib.gzipSync(text)],
    ['x-gzip', (text) => zlib.gzipSync(text)],
    ['br', (text) => zlib.brotliCompressSync(text)],
    ['deflate', (text) => zlib.deflateSync(text)],
    ['GZIP', (text) => zlib.gzipSync(text)],
    ['identity', (text) => Buffer.from(text)],
  ];
  if (typeof zlib.zstdCompressSync === 'function') encoders.push(['zstd', (text) => zlib.zstdCompressSync(text)]);
  for (const [name, encode] of encoders) {
    for (const extra of [{}, { chunkBytes: 7 }]) {
      const reply = await ask(url, { body: encode(setosa), headers: { 'content-encoding': name }, ...extra });
      assert.deepEqual([reply.status, jsonOf(reply).label], [200, 'setosa'], name);
    }
  }
});

test('compressed bodies that decode to too much are refused', async () => {
  const zeros = Buffer.alloc(40_000_000, 0x20);
  const bombs: [string, Buffer][] = [
    ['br', zlib.brotliCompressSync(zeros, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['gzip', zlib.gzipSync(zeros, { level: 1 })],
    ['deflate', zlib.deflateSync(zeros, { level: 1 })],
  ];
  if (typeof zlib.zstdCompressSync === 'function') bombs.push(['zstd', zlib.zstdCompressSync(zeros)]);
  for (const [name, body] of bombs) {
    for (const type of ['application/json', 'application/msgpack', 'application/octet-stream']) {
      const reply = await ask(url, { body, headers: { 'content-type': type, 'content-encoding': name } });
      assertRefused(reply, 413, 'PAYLOAD_TOO_LARGE', /decodes to more than/);
    }
  }
  // Below the byte limit, but 1000 times its size.
  const dense = zlib.gzipSync(Buffer.alloc(1_400_000));
  const reply = await ask(url, { body: dense, headers: { ...raw, 'content-encoding': 'gzip' } });
  assertRefused(reply, 413, 'PAYLOAD_TOO_LARGE', /50 times/);
  await assertStillAnswers();
});

test('an unknown Content-Encoding is 415 and a body that does not match its own is 400', async () => {
  for (const name of ['compress', 'gzip, br', 'constructor', '__proto__']) {
    const reply = await ask(url, { body: setosa, headers: { 'content-encoding': name } });
    assertRefused(reply, 415, 'UNSUPPORTED_MEDIA_TYPE', /gzip/);
    assert.equal(jsonOf(reply).error.details.field, 'Content-Encoding');
  }
  const cut = zlib.gzipSync(setosa).subarray(0, -9);
  for (const [name, body] of [
    ['gzip', setosa],
    ['br', setosa],
    ['deflate', setosa],
    ['gzip', cut],
    ['gzip', Buffer.alloc(0)],
  ] as const) {
    const reply = await ask(url, { body, headers: { 'content-encoding': name } });
    assertRefused(reply, 400, 'INVALID_INPUT');
  }
});

test('content types other than the three are 415 and say what is taken', async () => {
  for (const type of ['text/plain', 'application/xml', 'application/jsonx', 'application/x-ndjson', '', ';', 'json']) {
    const reply = await ask(url, { body: setosa, headers: { 'content-type': type } });
    assertRefused(reply, 415, 'UNSUPPORTED_MEDIA_TYPE', /application\/json, application\/msgpack/);
  }
  for (const type of ['application/json; charset=utf-8', 'Application/JSON', 'application/json ;x=y']) {
    assert.equal((await ask(url, { body: setosa, headers: { 'content-type': type } })).status, 200, type);
  }
  const none = await ask(url, { method: 'POST' });
  assertRefused(none, 415, 'UNSUPPORTED_MEDIA_TYPE');
});
