/**
 * Arbitrary input against the real server and against the codecs: never a 5xx, never a hang, never an error that is no
 * HotpathError, and the right iris answer afterwards. HOTPATH_FUZZ_RUNS sets the requests per parser (default 300).
 */
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { writeMsgpack } from '../../src/protocols/codecs/msgpack-writer.ts';
import { modelFolder, serve, storeIris, type TestServer } from '../e2e/support/serve.ts';
import { ask, jsonOf, predictUrl } from './support/rest-client.ts';

const numRuns = Number(process.env.HOTPATH_FUZZ_RUNS ?? 300);
const row = [5.1, 3.5, 1.4, 0.2];
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
let server: TestServer;

before(async () => {
  const models = await modelFolder();
  await storeIris(models);
  server = await serve(models, { slowRequestMs: '0' });
});
after(async () => {
  agent.destroy();
  await server.stop();
});

async function assertAnswersIris(): Promise<void> {
  const reply = await ask(predictUrl(server), { body: JSON.stringify({ features: row }), agent });
  assert.deepEqual([reply.status, jsonOf(reply).label], [200, 'setosa'], reply.bytes.toString());
}

const paths = fc.constantFrom(
  '/api/v1/predict',
  '/api/v1/predict/batch',
  '/api/v1/models/iris/predict',
  '/api/v1/models/iris/versions/1/predict',
);

/** Any answer but a failure of ours; errors in the one documented form. */
async function assertNoFailure(
  path: string,
  body: string | Uint8Array,
  headers: Record<string, string>,
): Promise<void> {
  const reply = await ask(`${server.url}${path}`, { body, headers, agent });
  const text = reply.bytes.toString();
  assert.ok(reply.status < 500, `${reply.status} ${text.slice(0, 500)}`);
  if (reply.status < 400) return;
  const { error, ...rest } = JSON.parse(text);
  assert.deepEqual([typeof error.code, typeof error.message, rest], ['string', 'string', {}]);
}

const types = { json: 'application/json', msgpack: 'application/msgpack', raw: 'application/octet-stream' } as const;

for (const type of Object.values(types)) {
  test(`arbitrary bytes as ${type} never fail the server`, async () => {
    const bytes = fc.uint8Array({ maxLength: 300 });
    const encoding = fc.option(fc.constantFrom('gzip', 'br', 'deflate', 'zstd', 'identity'), {
      freq: 6,
      nil: undefined,
    });
    const property = fc.asyncProperty(paths, bytes, encoding, (path, body, coding) =>
      assertNoFailure(path, body, {
        'content-type': type,
        ...(coding === undefined ? {} : { 'content-encoding': coding }),
      }),
    );
    await fc.assert(property, { numRuns });
    await assertAnswersIris();
  });
}

/** Values near what the server expects, wrong in every way that a client can be. */
const odd = fc.oneof(
  fc.constantFrom(null, true, false, '', 'NaN', 'Infinity', '0', -0, 1e39, 1e308, 5e-324, 2 ** 53, -1, 0.5, 1e21),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.string(),
  fc.constant(row),
  fc.array(fc.constant(row), { maxLength: 3 }),
  fc.constantFrom(
    [],
    [[]],
    [[[]]],
    {},
    [{}],
    [null],
    [[5.1, 3.5, 1.4, 0.2, 9]],
    { features: row },
    { features: [row] },
  ),
  fc.record({
    shape: fc.array(fc.integer({ min: -2, max: 5 }), { maxLength: 4 }),
    data: fc.constantFrom(row, [], [row], 1, null),
  }),
  fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<unknown>,
);

const names = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.constantFrom('features', 'instances', 'inputs', 'model', 'version', 'outputs', 'options'),
  },
  fc.constantFrom('__proto__', 'constructor', 'toString', 'hasOwnProperty', ''),
  fc.string(),
);

const start = fc.constantFrom<Record<string, unknown>>(
  { features: row },
  { instances: [row, row] },
  { inputs: { features: [row] } },
  { features: row, options: { timeoutMs: 1000, priority: 1, batching: 'off', labels: false } },
  { features: row, model: 'iris', version: '1', outputs: ['label'] },
);

/** A valid request with one to three fields set, replaced or dropped, also inside its tensors. */
const mutated = fc
  .tuple(start, fc.array(fc.tuple(names, odd, fc.boolean()), { minLength: 1, maxLength: 3 }), fc.nat(8))
  .map(([valid, changes, place]) => {
    const body: Record<string, unknown> = structuredClone(valid);
    for (const [name, shared, drop] of changes) {
      const value = structuredClone(shared);
      const list = Object.values(body).find(Array.isArray);
      if (drop) delete body[name];
      else if (list !== undefined && place < 4) list[place] = value;
      else Object.defineProperty(body, name, { value, enumerable: true, configurable: true, writable: true });
    }
    return body;
  });

test('mutated requests as JSON never fail the server', async () => {
  const property = fc.asyncProperty(paths, mutated, (path, body) =>
    assertNoFailure(path, JSON.stringify(body), { 'content-type': types.json }),
  );
  await fc.assert(property, { numRuns });
  await assertAnswersIris();
});

test('mutated requests as MessagePack, with bytes flipped or cut, never fail the server', async () => {
  const property = fc.asyncProperty(paths, mutated, fc.nat(), fc.nat(300), (path, body, flip, cut) => {
    const packed = writeMsgpack(body);
    if (flip % 3 === 0) packed[flip % packed.length]! ^= 1 << (flip % 8);
    const sent = flip % 5 === 0 ? packed.subarray(0, cut) : packed;
    return assertNoFailure(path, sent, { 'content-type': types.msgpack });
  });
  await fc.assert(property, { numRuns });
  await assertAnswersIris();
});

test('raw bodies with arbitrary tensor headers never fail the server', async () => {
  const dim = fc.oneof(fc.integer({ min: -2, max: 6 }), fc.constantFrom(2 ** 40, 2 ** 53, 1.5, 'x'));
  const shape = fc.oneof(fc.array(dim, { maxLength: 6 }).map(String), headerValue());
  const property = fc.asyncProperty(paths, fc.nat(40), shape, headerValue(), (path, floats, text, outputs) => {
    const headers = { 'content-type': types.raw, 'x-tensor-shape': text, 'x-tensor-outputs': outputs };
    return assertNoFailure(path, new Uint8Array(4 * floats), headers);
  });
  await fc.assert(property, { numRuns });
  await assertAnswersIris();
});

/** What HTTP allows in a header's value. */
function headerValue(): fc.Arbitrary<string> {
  const unit = fc.integer({ min: 0x20, max: 0xff }).filter((code) => code !== 0x7f);
  return fc.array(unit, { maxLength: 40 }).map((codes) => String.fromCharCode(...codes));
}

test('arbitrary headers never fail the server', async () => {
  const known = fc.constantFrom(
    ...['accept', 'accept-encoding', 'content-type', 'content-encoding', 'x-request-id', 'x-timeout-ms', 'x-priority'],
    ...['x-tensor-shape', 'x-tensor-outputs', 'traceparent', 'tracestate', 'if-none-match', 'accept-version', 'cookie'],
  );
  const token = fc.stringMatching(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,20}$/);
  const framing = /^(connection|content-length|transfer-encoding|expect|upgrade|host|te|trailer|keep-alive)$/i;
  const name = fc.oneof(
    known,
    token.filter((text) => !framing.test(text)),
  );
  const likely = fc.constantFrom(
    '1',
    '0',
    '*/*',
    'gzip',
    'application/msgpack',
    'application/octet-stream;q=0.5',
    ';,;q=',
  );
  const headers = fc.array(fc.tuple(name, fc.oneof(likely, headerValue())), { maxLength: 8 });
  const property = fc.asyncProperty(paths, headers, async (path, list) => {
    const given = Object.fromEntries(list.map(([key, value]) => [key.toLowerCase(), value]));
    const sent = { 'content-type': types.json, ...given };
    const reply = await ask(`${server.url}${path}`, { body: JSON.stringify({ features: row }), headers: sent, agent });
    // The client asked for an answer within so many milliseconds, and may get none.
    const late = (reply.status === 503 || reply.status === 504) && 'x-timeout-ms' in given;
    assert.ok(reply.status < 500 || late, `${reply.status} ${reply.bytes.toString('latin1').slice(0, 300)}`);
  });
  await fc.assert(property, { numRuns });
  await assertAnswersIris();
});

test('arbitrary URLs never fail the server', async () => {
  const piece = fc.oneof(
    fc.constantFrom('api', 'v1', 'models', 'iris', 'predict', '..', '%2e%2e', '%00', '%zz', ''),
    fc.webSegment(),
  );
  const url = fc.tuple(fc.array(piece, { maxLength: 7 }), fc.webQueryParameters());
  const property = fc.asyncProperty(
    url,
    fc.constantFrom('GET', 'POST', 'PUT', 'HEAD'),
    async ([parts, query], method) => {
      const reply = await ask(`${server.url}/${parts.join('/')}?${query}`, { method, agent });
      assert.ok(reply.status < 500, `${reply.status} ${reply.bytes}`);
    },
  );
  await fc.assert(property, { numRuns });
  await assertAnswersIris();
});
