/** One tensor, three encodings: what goes in as JSON, MessagePack or raw bytes comes back bit for bit, in every datatype. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Datatype, datatypes, viewBytes } from '../../src/core/tensor.ts';
import { fromFloat16Bits } from '../../src/protocols/codecs/float16.ts';
import { readMsgpack } from '../../src/protocols/codecs/msgpack-reader.ts';
import { writeMsgpack } from '../../src/protocols/codecs/msgpack-writer.ts';
import { modelFolder, serve, type TestServer } from '../e2e/support/serve.ts';
import { ask, jsonOf, type Reply } from './support/rest-client.ts';
import { storeIdentity } from './support/rest-models.ts';

type NumericDatatype = Exclude<Datatype, 'string'>;

const floats = (bits: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(bits).buffer);
const doubles = (bits: readonly bigint[]): Uint8Array => new Uint8Array(BigUint64Array.from(bits).buffer);
const bytesOf = (array: NodeJS.TypedArray): Uint8Array => new Uint8Array(array.buffer as ArrayBuffer);

/** Elements at the edges of each datatype, as the bytes a model gets. Six of each. */
const samples: Record<NumericDatatype, Uint8Array> = {
  // -0, smallest and largest subnormal, largest finite, 0.1, -1/3
  float32: floats([0x80000000, 0x00000001, 0x007fffff, 0x7f7fffff, 0x3dcccccd, 0xbeaaaaab]),
  float64: doubles([1n << 63n, 1n, (1n << 52n) - 1n, 0x7fefffffffffffffn, 0x3fb999999999999an, 0xbfd5555555555555n]),
  float16: bytesOf(Uint16Array.of(0x8000, 0x0001, 0x03ff, 0x7bff, 0x2e66, 0xb555)),
  int8: bytesOf(Int8Array.of(-128, 127, 0, -1, 1, 100)),
  int16: bytesOf(Int16Array.of(-32768, 32767, 0, -1, 1, 300)),
  int32: bytesOf(Int32Array.of(-2147483648, 2147483647, 0, -1, 1, 70_000)),
  int64: bytesOf(BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, -1n, 0n, -(2n ** 53n) - 1n)),
  uint8: Uint8Array.of(0, 255, 127, 128, 1, 2),
  uint16: bytesOf(Uint16Array.of(0, 65535, 32767, 32768, 1, 2)),
  uint32: bytesOf(Uint32Array.of(0, 4294967295, 2147483648, 2147483647, 1, 2)),
  uint64: bytesOf(BigUint64Array.of(0n, 2n ** 64n - 1n, 2n ** 63n, 2n ** 53n + 1n, 1n, 2n)),
  bool: Uint8Array.of(0, 1, 1, 0, 0, 1),
};
const shape = [2, 3];

let server: TestServer;

before(async () => {
  const models = await modelFolder();
  for (const datatype of datatypes) await storeIdentity(models, datatype, datatype);
  await storeIdentity(models, 'nan-float32', 'float32', { nan: 'allow' });
  await storeIdentity(models, 'nan-float16', 'float16', { nan: 'allow' });
  await storeIdentity(models, 'nan-float64', 'float64', { nan: 'allow' });
  server = await serve(models);
});
after(() => server.stop());

const types = { json: 'application/json', msgpack: 'application/msgpack', raw: 'application/octet-stream' } as const;
type Encoding = keyof typeof types;
const encodings = Object.keys(types) as Encoding[];

/** The elements as a client would write them: float16 as numbers, bool as booleans. */
function valuesOf(datatype: NumericDatatype, bytes: Uint8Array): unknown[] {
  const copy = Uint8Array.from(bytes);
  const data = [...viewBytes(datatype, copy.buffer, 0, copy.length)];
  if (datatype === 'bool') return data.map(Boolean);
  return datatype === 'float16' ? data.map((bits) => fromFloat16Bits(bits as number)) : data;
}

/** JSON that keeps what JSON.stringify loses: -0, NaN, infinities, and 64-bit integers as decimal strings. */
function textOf(value: unknown): string {
  if (typeof value === 'bigint') return `"${value}"`;
  if (typeof value === 'number' && !Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? '-0' : JSON.stringify(value);
}

function encode(encoding: Encoding, datatype: NumericDatatype, bytes: Uint8Array): string | Uint8Array {
  if (encoding === 'raw') return bytes;
  const values = valuesOf(datatype, bytes);
  const rows = [values.slice(0, 3), values.slice(3)];
  if (encoding === 'msgpack') return writeMsgpack({ inputs: { X: rows } });
  return `{"inputs":{"X":[${rows.map((row) => `[${row.map(textOf)}]`)}]}}`;
}

/** The answer's bytes; its JSON text goes through the numbers' own arrays, so that every bit counts. */
function decode(encoding: Encoding, datatype: NumericDatatype, reply: Reply): Buffer {
  if (encoding === 'raw') {
    assert.deepEqual([reply.headers['x-tensor-datatype'], reply.headers['x-tensor-shape']], [datatype, '2,3']);
    return reply.bytes;
  }
  // biome-ignore lint/suspicious/noExplicitAny: read field by field
  const body: any = encoding === 'json' ? jsonOf(exactIntegers(reply)) : readMsgpack(reply.bytes, 10);
  const output = body.outputs?.Y;
  // Raw requests name no input and are answered as rows.
  const values = output === undefined ? (body.predictions ?? body.prediction).flat() : output.data;
  if (output !== undefined) assert.deepEqual([output.datatype, output.shape], [datatype, shape]);
  if (values instanceof Uint8Array) return Buffer.from(values);
  const target = Uint8Array.from(samples[datatype]).fill(0xff);
  const view = viewBytes(datatype, target.buffer, 0, target.length);
  for (const [index, value] of (values as unknown[]).entries()) {
    if (datatype === 'int64' || datatype === 'uint64') view[index] = BigInt(value as string);
    else if (datatype === 'float16') (view as Uint16Array)[index] = halfBits(Number(value));
    else (view as Float64Array)[index] = Number(value);
  }
  return Buffer.from(target);
}

/** 64-bit integers stand bare in the text; quoted here so that JSON.parse does not round them. */
function exactIntegers({ bytes }: Reply): { bytes: Buffer } {
  return { bytes: Buffer.from(bytes.toString().replace(/(?<=[[,])-?\d{16,}(?=[,\]])/g, '"$&"')) };
}

/** By search among all 65536 patterns, independent of the server's own arithmetic. */
const patterns = new Map(Array.from({ length: 65536 }, (_, bits) => [textOf(halfValue(bits)), bits]));
const halfBits = (value: number): number => (Number.isNaN(value) ? 0x7e00 : patterns.get(textOf(value))!);

function halfValue(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const magnitude =
    exponent === 31
      ? (bits & 1023) === 0
        ? Number.POSITIVE_INFINITY
        : Number.NaN
      : exponent === 0
        ? (bits & 1023) * 2 ** -24
        : (1 + (bits & 1023) / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -magnitude : magnitude;
}

async function assertSameBits(model: string, datatype: NumericDatatype, bytes: Uint8Array): Promise<void> {
  const url = `${server.url}/api/v1/models/${model}/predict`;
  for (const sent of encodings) {
    for (const taken of encodings) {
      const headers = { 'content-type': types[sent], accept: types[taken], 'x-tensor-shape': '2,3' };
      const reply = await ask(url, { body: encode(sent, datatype, bytes), headers });
      const what = `${datatype} sent as ${sent}, answered as ${taken}`;
      assert.equal(reply.status, 200, `${what}: ${reply.bytes}`);
      assert.match(reply.headers['content-type']!, new RegExp(`^${types[taken]}`), what);
      assert.equal(decode(taken, datatype, reply).toString('hex'), Buffer.from(bytes).toString('hex'), what);
    }
  }
}

for (const datatype of Object.keys(samples) as NumericDatatype[]) {
  test(`${datatype} keeps every bit through all nine pairs of encodings`, async () => {
    await assertSameBits(datatype, datatype, samples[datatype]);
  });
}

test('NaN and infinities pass unchanged where the model allows them', async () => {
  await assertSameBits('nan-float32', 'float32', floats([0x7fc00000, 0x7f800000, 0xff800000, 0, 0x7fc00000, 1]));
  await assertSameBits('nan-float16', 'float16', bytesOf(Uint16Array.of(0x7e00, 0x7c00, 0xfc00, 0, 0x7e00, 1)));
  await assertSameBits('nan-float64', 'float64', bytesOf(Float64Array.of(Number.NaN, 1 / 0, -1 / 0, 0, Number.NaN, 1)));
});

test('bare 64-bit integers up to 2^53 - 1 are taken as numbers and others as decimal strings', async () => {
  const body = '{"inputs":{"X":[[9007199254740991,-9007199254740991,"-9223372036854775808"]]}}';
  const reply = await ask(`${server.url}/api/v1/models/int64/predict`, { body });
  assert.match(reply.bytes.toString(), /"data":\[9007199254740991,-9007199254740991,-9223372036854775808\]/);
});

test('strings of any unicode pass through JSON and MessagePack, and have no raw form', async () => {
  const texts = ['', 'grün', '日本語', '👩‍🚀 e\u0301', '"\\\n\u0001\u2028', 'x'.repeat(5000)];
  const url = `${server.url}/api/v1/models/string/predict`;
  const rows = [texts.slice(0, 3), texts.slice(3)];
  for (const sent of ['json', 'msgpack'] as const) {
    const body = sent === 'json' ? JSON.stringify({ inputs: { X: rows } }) : writeMsgpack({ inputs: { X: rows } });
    for (const taken of ['json', 'msgpack'] as const) {
      const reply = await ask(url, { body, headers: { 'content-type': types[sent], accept: types[taken] } });
      assert.equal(reply.status, 200, reply.bytes.toString());
      // biome-ignore lint/suspicious/noExplicitAny: read field by field
      const answer: any = taken === 'json' ? jsonOf(reply) : readMsgpack(reply.bytes, 10);
      assert.deepEqual(answer.outputs.Y.data, texts, `${sent} to ${taken}`);
    }
  }
  const headers = { accept: types.raw };
  const raw = await ask(url, { body: JSON.stringify({ inputs: { X: rows } }), headers });
  assert.match(jsonOf(raw).error.message, /no raw form/);
  assert.ok(raw.status < 500, `a client's choice of format is no failure of the server: ${raw.status}`);
});
