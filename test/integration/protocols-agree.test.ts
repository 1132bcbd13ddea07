/**
 * One tensor over every wire: the native API's raw bytes, the Open Inference Protocol as JSON and as binary, gRPC with raw and
 * with typed contents. Whatever goes in comes back bit for bit, and what is wrong is refused with the same sentence.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { oipNames } from '../../src/core/oip-names.ts';
import { type Datatype, datatypes, elementBytes, viewBytes } from '../../src/core/tensor.ts';
import { modelFolder, serve, type TestServer } from '../e2e/support/serve.ts';
import { ask as askGrpc, type Client, connect } from './support/grpc-client.ts';
import { ask, jsonOf } from './support/rest-client.ts';
import { storeIdentity } from './support/rest-models.ts';

type NumericDatatype = Exclude<Datatype, 'string'>;
const numeric = datatypes.filter((datatype): datatype is NumericDatatype => datatype !== 'string');

let server: TestServer;
let client: Client;

before(async () => {
  const models = await modelFolder();
  for (const datatype of datatypes) await storeIdentity(models, datatype, datatype, { nan: 'allow' });
  server = await serve(models);
  client = connect(server.grpcUrl.replace('grpc://', ''));
});
after(async () => {
  client.close();
  await server.stop();
});

interface Sample {
  readonly datatype: NumericDatatype;
  readonly width: number;
  readonly bytes: Uint8Array;
}

/** JSON as the protocol's clients write it: all digits of integers, strings for what JSON has no number for. */
function jsonOfElement(value: number | bigint): string {
  if (typeof value === 'bigint') return String(value);
  if (!Number.isFinite(value)) return `"${value}"`;
  return Object.is(value, -0) ? '-0.0' : JSON.stringify(value);
}

function elementsOf({ datatype, bytes }: Sample): (number | bigint)[] {
  return [...viewBytes(datatype, Uint8Array.from(bytes).buffer, 0, bytes.length)];
}

async function overNative({ datatype, width, bytes }: Sample): Promise<Uint8Array> {
  const type = 'application/octet-stream';
  const reply = await ask(`${server.url}/api/v1/models/${datatype}/predict`, {
    body: bytes,
    headers: { 'content-type': type, accept: type, 'x-tensor-shape': `1,${width}` },
  });
  assert.equal(reply.status, 200, reply.bytes.toString());
  return reply.bytes;
}

async function overJson(sample: Sample): Promise<Uint8Array> {
  const { datatype, width } = sample;
  const isBool = datatype === 'bool';
  const data = elementsOf(sample).map((value) => (isBool ? String(value === 1) : jsonOfElement(value)));
  const body = `{"inputs":[{"name":"X","shape":[1,${width}],"datatype":"${oipNames[datatype]}","data":[${data}]}]}`;
  const reply = await ask(`${server.url}/v2/models/${datatype}/infer`, { body });
  assert.equal(reply.status, 200, reply.bytes.toString());
  const isBig = datatype === 'int64' || datatype === 'uint64';
  // 64-bit integers are numbers with all digits, which JSON.parse would round.
  const text = /"data":\[([^\]]*)\]/.exec(reply.bytes.toString())![1]!;
  const parts = text === '' ? [] : text.split(',');
  const bytes = new Uint8Array(width * elementBytes[datatype]);
  const view = viewBytes(datatype, bytes.buffer, 0, bytes.length) as unknown as (number | bigint)[];
  for (const [index, part] of parts.entries()) {
    if (isBig) view[index] = BigInt(part);
    else if (isBool) view[index] = Number(part === 'true');
    else view[index] = Number(part.replaceAll('"', ''));
  }
  return bytes;
}

async function overBinary({ datatype, width, bytes }: Sample): Promise<Uint8Array> {
  const parameters = { binary_data_size: bytes.length };
  const input = { name: 'X', shape: [1, width], datatype: oipNames[datatype], parameters };
  const json = JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } });
  const reply = await ask(`${server.url}/v2/models/${datatype}/infer`, {
    body: Buffer.concat([Buffer.from(json), bytes]),
    headers: { 'content-type': 'application/octet-stream', 'inference-header-content-length': json.length },
  });
  assert.equal(reply.status, 200, reply.bytes.toString());
  return reply.bytes.subarray(Number(reply.headers['inference-header-content-length']));
}

async function overGrpc({ datatype, width }: Sample, contents: object): Promise<Uint8Array> {
  const { raw_input_contents, ...typed } = contents as { raw_input_contents?: object };
  const input = { name: 'X', datatype: oipNames[datatype], shape: [1, width], contents: typed };
  const inputs = [raw_input_contents === undefined ? input : { ...input, contents: undefined }];
  const answer = await askGrpc(client, 'ModelInfer', { model_name: datatype, inputs, raw_input_contents });
  return answer.raw_output_contents[0];
}

const typedFields: Partial<Record<NumericDatatype, string>> = {
  bool: 'bool_contents',
  int8: 'int_contents',
  int16: 'int_contents',
  int32: 'int_contents',
  int64: 'int64_contents',
  uint8: 'uint_contents',
  uint16: 'uint_contents',
  uint32: 'uint_contents',
  uint64: 'uint64_contents',
  float32: 'fp32_contents',
  float64: 'fp64_contents',
};

/** Quiet, as the only NaN that text can name; subnormals, infinities and -0 come by themselves from random bits. */
function withOneNan({ datatype, bytes }: Sample): void {
  const data = viewBytes(datatype, bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < data.length; i++) {
    if (datatype === 'bool') data[i] = Number(data[i]) & 1;
    else if (datatype === 'float16') {
      if (((data[i] as number) & 0x7c00) === 0x7c00 && ((data[i] as number) & 0x3ff) !== 0) data[i] = 0x7e00;
    } else if (Number.isNaN(data[i])) data[i] = Number.NaN;
  }
}

const special: Partial<Record<NumericDatatype, readonly (number | bigint)[]>> = {
  float32: [-0, 1e-45, Number.NaN, Infinity, -Infinity, 3.4028234663852886e38, 0.1],
  float64: [-0, 5e-324, Number.NaN, Infinity, -Infinity, Number.MAX_VALUE, 0.1],
  float16: [0x8000, 0x0001, 0x7e00, 0x7c00, 0xfc00, 0x7bff, 0x2e66],
  int64: [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, 0n],
  uint64: [2n ** 64n - 1n, 2n ** 63n, 2n ** 53n + 1n, 0n],
};

const sampleOf = fc
  .constantFrom(...numeric)
  .chain((datatype) =>
    fc.record({
      datatype: fc.constant(datatype),
      raw: fc.uint8Array({ minLength: 0, maxLength: 12 * elementBytes[datatype] }),
      specials: fc.subarray([...(special[datatype] ?? [])] as (number | bigint)[]),
    }),
  )
  .map(({ datatype, raw, specials }): Sample => {
    const size = elementBytes[datatype];
    const width = Math.floor(raw.length / size) + specials.length;
    const bytes = new Uint8Array(width * size);
    bytes.set(raw.subarray(0, Math.floor(raw.length / size) * size));
    const data = viewBytes(datatype, bytes.buffer, 0, bytes.length) as Float64Array;
    for (const [index, value] of specials.entries()) data[width - specials.length + index] = value as number;
    const sample = { datatype, width, bytes };
    withOneNan(sample);
    return sample;
  })
  .filter(({ width }) => width > 0);

test('a tensor comes back bit for bit over every wire', async () => {
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(sampleOf, async (sample) => {
      const { datatype, bytes } = sample;
      seen.add(datatype);
      const field = typedFields[datatype];
      const answers: Record<string, Uint8Array> = {
        native: await overNative(sample),
        binary: await overBinary(sample),
        'gRPC raw': await overGrpc(sample, { raw_input_contents: [bytes] }),
      };
      // FP16 has neither JSON nor typed contents in the protocol.
      if (field !== undefined) {
        answers.json = await overJson(sample);
        const elements = elementsOf(sample).map((value) => (typeof value === 'bigint' ? String(value) : value));
        answers['gRPC typed'] = await overGrpc(sample, { [field]: elements });
      }
      for (const [wire, answer] of Object.entries(answers)) {
        assert.ok(Buffer.from(bytes).equals(answer), `${wire}: ${datatype} [${elementsOf(sample)}]`);
      }
    }),
    { numRuns: 150 },
  );
  assert.deepEqual([...seen].sort(), [...numeric].sort());
});

test('strings come back over every wire that has them, whatever they hold', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 5 }), async (texts) => {
      const input = { name: 'X', shape: [1, texts.length], datatype: 'BYTES' };
      const json = await ask(`${server.url}/v2/models/string/infer`, {
        body: JSON.stringify({ inputs: [{ ...input, data: texts }] }),
      });
      assert.deepEqual(jsonOf(json).outputs[0].data, texts);
      const bytes = texts.map((text) => Buffer.from(text));
      const raw = Buffer.concat(bytes.flatMap((text) => [Buffer.from(Uint32Array.of(text.length).buffer), text]));
      for (const contents of [
        { inputs: [{ ...input, contents: { bytes_contents: bytes } }] },
        { inputs: [input], raw_input_contents: [raw] },
      ]) {
        const answer = await askGrpc(client, 'ModelInfer', { model_name: 'string', ...contents });
        assert.ok(raw.equals(answer.raw_output_contents[0]));
      }
    }),
    { numRuns: 40 },
  );
});

const good = { name: 'X', datatype: 'FP32', shape: [1, 2] };

for (const [what, inputs, pattern] of [
  ['an unknown input', [good, { ...good, name: 'Y' }], /unknown input "?Y/i],
  ['an input twice', [good, good], /X.*once/],
  ['no input', [{ ...good, name: 'Z' }], /Z/],
  ['another datatype', [{ ...good, datatype: 'INT64' }], /X.*FP32/],
  ['a datatype that is none', [{ ...good, datatype: 'FP99' }], /X.*FP32/],
  ['another rank', [{ ...good, shape: [2] }], /X.*shape/],
  ['a negative dimension', [{ ...good, shape: [-1, 2] }], /X.*shape.*negative/],
  ['dimensions that overflow', [{ ...good, shape: [2 ** 40, 2 ** 40] }], /X.*shape/],
  ['fewer elements than the shape', [{ ...good, shape: [1, 3] }], /X.*3/],
] as const) {
  test(`${what} is refused over every wire, naming it`, async () => {
    const body = JSON.stringify({ inputs: inputs.map((input) => ({ ...input, data: [1, 2] })) });
    const rest = await ask(`${server.url}/v2/models/float32/infer`, { body });
    assert.equal(rest.status, 400);
    assert.match(jsonOf(rest).error, pattern);
    const typed = inputs.map((input) => ({ ...input, contents: { fp32_contents: [1, 2] } }));
    const raw = Buffer.from(Float32Array.of(1, 2).buffer);
    for (const request of [{ inputs: typed }, { inputs, raw_input_contents: inputs.map(() => raw) }]) {
      await assert.rejects(
        askGrpc(client, 'ModelInfer', { model_name: 'float32', ...request }),
        (error: { code: number; details: string }) => {
          assert.equal(error.code, 3, error.details);
          assert.match(error.details, pattern);
          return true;
        },
      );
    }
  });
}
