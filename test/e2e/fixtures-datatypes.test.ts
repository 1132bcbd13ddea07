/** Every datatype of ONNX there and back through the real server, at the ends of its range, and shapes that are easily forgotten. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Datatype } from '../../src/core/tensor.ts';
import { withModels } from './support/dropped-models.ts';
import { withoutFixtures } from './support/fixtures.ts';
import { post } from './support/serve.ts';
import { ownBytes, postMsgpack, postRaw } from './support/wire.ts';

const skip = withoutFixtures;

interface Case {
  readonly datatype: Exclude<Datatype, 'string'>;
  readonly file: string;
  readonly shape: readonly number[];
  /** As typed memory. */
  readonly values: ArrayBufferView<ArrayBuffer> & Iterable<number | bigint>;
  /** As a JSON client writes them. */
  readonly json: readonly unknown[];
}

const row = [1, 5];

function ofNumbers(
  datatype: Case['datatype'],
  file: string,
  values: ArrayBufferView<ArrayBuffer> & Iterable<number>,
): Case {
  return { datatype, file, shape: row, values, json: [...values] };
}

function ofBigInts(datatype: Case['datatype'], values: BigInt64Array<ArrayBuffer> | BigUint64Array<ArrayBuffer>): Case {
  return { datatype, file: datatype, shape: row, values, json: [...values].map(String) };
}

const cases: readonly Case[] = [
  ofNumbers('float32', 'float', new Float32Array([3.4028234663852886e38, -1.401298464324817e-45, -0.1, 0, 16777217])),
  ofNumbers('float64', 'double', new Float64Array([Number.MAX_VALUE, -5e-324, 0.1, -0.5, 2 ** 53 + 2])),
  ofNumbers('int8', 'int8', new Int8Array([-128, 127, 0, -1, 1])),
  ofNumbers('int16', 'int16', new Int16Array([-32768, 32767, 0, -1, 1])),
  ofNumbers('int32', 'int32', new Int32Array([-2147483648, 2147483647, 0, -1, 1])),
  ofNumbers('uint8', 'uint8', new Uint8Array([255, 0, 1, 127, 128])),
  ofNumbers('uint16', 'uint16', new Uint16Array([65535, 0, 1, 32767, 32768])),
  ofNumbers('uint32', 'uint32', new Uint32Array([4294967295, 0, 1, 2147483647, 2147483648])),
  ofBigInts('int64', new BigInt64Array([-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n, -1n, 0n])),
  ofBigInts('uint64', new BigUint64Array([2n ** 64n - 1n, 2n ** 63n, 2n ** 53n + 1n, 1n, 0n])),
  {
    datatype: 'bool',
    file: 'bool',
    shape: row,
    values: new Uint8Array([1, 0, 1, 1, 0]),
    json: [true, false, true, 1, 0],
  },
  {
    datatype: 'float16',
    file: 'float16',
    shape: [1, 1, 1, 1],
    values: new Float16Array([65504]) as unknown as Float32Array<ArrayBuffer>,
    json: [65504],
  },
];

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer, byteOffset, byteLength).slice();
}

/** The text between the brackets of `"data":[...]`: parsing 64-bit integers as JSON numbers would lose digits. */
async function dataText(url: string, body: unknown): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return /"data":\[([^\]]*)\]/.exec(text)![1]!;
}

const files = Object.fromEntries(cases.map(({ file }) => [file, `odd/ort_types/test_types_${file}.onnx`]));

test('every datatype comes back as it went, in JSON, MessagePack and raw bytes', { skip }, async (t) => {
  await withModels({ ...files, string: 'odd/ort_types/test_types_string.onnx' }, async (_, urlOf) => {
    for (const { datatype, file, shape, values, json } of cases) {
      await t.test(datatype, async () => {
        const url = `${urlOf(file)}/predict`;
        const bytes = bytesOf(values);
        const expected =
          datatype === 'bool' ? [...values].map((value) => String(value === 1)) : [...values].map(String);
        const text = await dataText(url, { inputs: { input: { datatype, shape, data: json } } });
        const read = text.split(',');
        if (datatype === 'float32') assert.deepEqual(read.map(Number).map(Math.fround), [...values]);
        else if (datatype.startsWith('float')) assert.deepEqual(read.map(Number), [...values]);
        else assert.deepEqual(read, expected);

        const packed = await postMsgpack(url, { inputs: { input: { shape, data: bytes } } });
        assert.equal(packed.status, 200, JSON.stringify(packed.body));
        assert.equal(packed.body.outputs.output.datatype, datatype);
        assert.deepEqual(new Uint8Array(ownBytes(packed.body.outputs.output.data)), bytes);
        if (datatype.endsWith('int64')) {
          const listed = await postMsgpack(url, { inputs: { input: { shape, data: [...values] } } });
          assert.deepEqual(new Uint8Array(ownBytes(listed.body.outputs.output.data)), bytes);
        }

        const raw = await postRaw(url, bytes);
        assert.deepEqual([raw.status, raw.headers.get('x-tensor-datatype')], [200, datatype]);
        assert.deepEqual(raw.bytes, bytes);
      });
    }
    await t.test('string', async () => {
      const data = ['', 'plain', 'Grüße, 世界 🌍', 'tab\t', '"quoted"\n'];
      const url = `${urlOf('string')}/predict`;
      const json = await post(url, { inputs: { input: [data] } });
      assert.deepEqual(json.body.outputs?.output, { datatype: 'string', shape: row, data });
      const packed = await postMsgpack(url, { inputs: { input: [data] } });
      assert.deepEqual(packed.body.outputs.output, { datatype: 'string', shape: row, data });
      const raw = await postRaw(url, new Uint8Array([65]));
      assert.equal(raw.status, 400);
    });
  });
});

test('a value beyond its datatype is refused, naming where', { skip }, async () => {
  await withModels(files, async (_, urlOf) => {
    const wrong: [string, unknown][] = [
      ['int8', 128],
      ['uint8', -1],
      ['int16', 1.5],
      ['uint32', 4294967296],
      ['int64', '9223372036854775808'],
      ['int64', 9007199254740992],
      ['uint64', '-1'],
      ['bool', 2],
      ['float', 3.5e38],
      ['float', null],
      ['double', 'NaN'],
    ];
    for (const [file, value] of wrong) {
      const { status, body } = await post(`${urlOf(file)}/predict`, { inputs: { input: [[0, 0, 0, value, 0]] } });
      assert.deepEqual([status, body.error?.code], [400, 'INVALID_INPUT'], `${file} ${value}`);
      assert.equal(body.error.details.field, 'inputs.input[0][3]');
    }
  });
});

test('a scalar model answers a scalar, and strings keep their shape', { skip }, async () => {
  const odd = { abs: 'odd/ort/abs_0d_input.onnx', identity: 'odd/ort/identity_string.onnx' };
  await withModels(odd, async (_, urlOf) => {
    const abs = await post(`${urlOf('abs')}/predict`, { inputs: { absInput_1: -2.5 } });
    assert.deepEqual(abs.body.outputs, { absOutput_0: { datatype: 'float32', shape: [], data: [2.5] } });
    const bytes = await postRaw(`${urlOf('abs')}/predict`, new Float32Array([-7]));
    assert.deepEqual([bytes.headers.get('x-tensor-shape'), new Float32Array(bytes.bytes.buffer)[0]], ['', 7]);
    const list = await post(`${urlOf('abs')}/predict`, { inputs: { absInput_1: [-2.5, 1] } });
    assert.deepEqual([list.status, list.body.error.details.field], [400, 'inputs.absInput_1']);
    const grid = [
      ['a', 'ü'],
      ['', 'x y'],
    ];
    const strings = await post(`${urlOf('identity')}/predict`, { inputs: { 'input:0': grid } });
    assert.deepEqual(strings.body.outputs['output:0'], { datatype: 'string', shape: [2, 2], data: grid.flat() });
  });
});
