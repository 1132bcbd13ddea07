/**
 * The codecs in process, with far more runs than requests allow: only HotpathError may leave them, and what they accept is
 * what JSON.parse and a second MessagePack implementation make of it. HOTPATH_FUZZ_CODEC_RUNS sets the runs (default 3000).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packr, Unpackr } from 'msgpackr';
import { HotpathError } from '../../src/core/errors.ts';
import { type Datatype, datatypes, elementCount, type TensorSpec } from '../../src/core/tensor.ts';
import type { ModelView } from '../../src/core/types.ts';
import { fromFloat16Bits, toFloat16Bits } from '../../src/protocols/codecs/float16.ts';
import { readLongJson } from '../../src/protocols/codecs/long-json.ts';
import { readMsgpack } from '../../src/protocols/codecs/msgpack-reader.ts';
import { writeMsgpack } from '../../src/protocols/codecs/msgpack-writer.ts';
import { float16Text, float32Text, float64Text } from '../../src/protocols/codecs/number-text.ts';
import { readRawTensor } from '../../src/protocols/codecs/raw-tensor.ts';
import { readInputs } from '../../src/protocols/codecs/read-inputs.ts';
import { readJson } from '../../src/protocols/codecs/read-json.ts';
import { readFeatures, readInstances } from '../../src/protocols/codecs/read-row.ts';

const numRuns = Number(process.env.HOTPATH_FUZZ_CODEC_RUNS ?? 3000);

/** The result, or undefined when refused as it should be; anything else that is thrown fails the test. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch (error) {
    if (error instanceof HotpathError) {
      assert.ok(error.code === 'INVALID_INPUT' || error.code === 'PAYLOAD_TOO_LARGE', error.code);
      assert.ok(error.message.length < 1000, `a sentence of ${error.message.length} characters`);
      return undefined;
    }
    throw error;
  }
}

test('readJson throws only HotpathError and accepts only what JSON.parse gives', () => {
  const json = fc.json({ maxDepth: 5 });
  const broken = fc.tuple(json, fc.nat(), fc.string()).map(([text, at, extra]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + extra + text.slice(place + (at % 3));
  });
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((array) => Buffer.from(array)),
    fc.oneof(json, broken).map((text) => Buffer.from(text)),
  );
  fc.assert(
    fc.property(bytes, (body) => {
      const value = attempt(() => readJson(body, 20));
      if (value !== undefined) assert.deepEqual(value, JSON.parse(body.toString()));
    }),
    { numRuns },
  );
});

test('readJson accepts every JSON text without duplicate names', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      assert.deepEqual(readJson(Buffer.from(JSON.stringify(value)), 50), JSON.parse(JSON.stringify(value)));
    }),
    { numRuns },
  );
});

/** Padding of 64 KiB before the text puts the cut between two pieces just inside it. */
const pad = 64 * 1024;

test('readLongJson gives what JSON.parse gives wherever the text is cut, and refuses what JSON.parse refuses', async () => {
  const value = fc.jsonValue({ maxDepth: 5, stringUnit: 'binary' });
  const place = fc.record({
    value,
    at: fc.nat(),
    cut: fc.nat(),
    spoil: fc.constantFrom('', ',', ']', '}', ',]', ':', '['),
  });
  const property = fc.asyncProperty(place, async ({ value: inner, at, cut, spoil }) => {
    const text = JSON.stringify({ a: [inner, 1], b: { c: inner, d: [[1, 2], inner] } });
    // Close behind the cut, where the pieces are joined.
    const where = Math.min(text.length, (at % text.length) + (cut % 8));
    const spoiled = spoil === '' ? text : text.slice(0, where) + spoil + text.slice(where + (cut % 2));
    const written = `{${' '.repeat(pad - (at % text.length))}"x":${spoiled},"y":[${' '.repeat(at % pad)}]}`;
    // Through UTF-8 and back: spoiling may have split a pair of surrogates.
    const body = Buffer.from(written).toString();
    let expected: unknown;
    try {
      expected = JSON.parse(body);
    } catch {
      await assert.rejects(
        readLongJson(Buffer.from(body), 50),
        HotpathError,
        JSON.stringify(body.replaceAll(/ {2,}/g, '~')),
      );
      return;
    }
    try {
      assert.deepEqual(await readLongJson(Buffer.from(body), 50), expected);
    } catch (error) {
      // The spoiled text may name something twice, which JSON.parse lets pass.
      if (!(error instanceof HotpathError && /given twice/.test(error.message))) throw error;
    }
  });
  await fc.assert(property, { numRuns: Math.ceil(numRuns / 10) });
});

test('megabytes of one string are refused or read without exhausting the stack', async () => {
  const escapes = '\\u0041'.repeat(1_300_000);
  const plain = 'x'.repeat(8_000_000);
  for (const text of [escapes, plain]) {
    for (const body of [`{"features":["${text}"]]`, `["${text}`, `{"a":"${text}","b":1,"b":2}`]) {
      await assert.rejects(readLongJson(Buffer.from(body), 50), HotpathError, `${body.slice(0, 30)} of ${body.length}`);
    }
    assert.deepEqual(await readLongJson(Buffer.from(`[1,{"a":1},"${text}"]`), 50), JSON.parse(`[1,{"a":1},"${text}"]`));
  }
});

test('objects with more names than a hash table takes quickly are refused in JSON and MessagePack alike', async () => {
  const body = Object.fromEntries(Array.from({ length: 100_000 }, (_, index) => [`name-${index}`, 1]));
  const tooLarge = { name: 'HotpathError', code: 'PAYLOAD_TOO_LARGE' };
  await assert.rejects(readLongJson(Buffer.from(JSON.stringify(body)), 50), tooLarge);
  assert.throws(() => readMsgpack(writeMsgpack(body), 50), tooLarge);
});

test('readMsgpack throws only HotpathError on arbitrary bytes', () => {
  const structured = fc.array(
    fc.constantFrom(
      ...[0x81, 0x91, 0xa1, 0xc0, 0xc4, 0xc7, 0xca, 0xcb, 0xcf, 0xd3, 0xd9, 0xdc, 0xdd, 0xde, 0xdf, 1, 0, 0xff, 0x61],
    ),
    { maxLength: 60 },
  );
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    structured.map((list) => Uint8Array.from(list)),
  );
  fc.assert(
    fc.property(bytes, (body) => {
      attempt(() => readMsgpack(body, 20));
    }),
    { numRuns },
  );
});

test('readMsgpack and writeMsgpack agree with another implementation', () => {
  const packr = new Packr({ useRecords: false, variableMapSize: true });
  const unpackr = new Unpackr({ useRecords: false, int64AsType: 'number', mapsAsObjects: true });
  // By way of text, because the other implementation drops the sign of -0.
  const text = fc.json({ maxDepth: 5 }).filter((json) => !json.includes('__proto__'));
  const value = text.map((json) => JSON.parse(json.replaceAll(/-0(?![.\d])/g, '0')));
  assert.ok(Object.is(readMsgpack(writeMsgpack(-0), 1), -0));
  fc.assert(
    fc.property(value, (json) => {
      assert.deepEqual(readMsgpack(packr.pack(json), 50), json);
      assert.deepEqual(unpackr.unpack(writeMsgpack(json)), json);
    }),
    { numRuns },
  );
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }), (integer) => {
      assert.equal(BigInt(readMsgpack(writeMsgpack(integer), 1) as bigint), integer);
    }),
    { numRuns },
  );
});

function viewOf(inputs: readonly TensorSpec[], batchable: boolean, nan: 'allow' | 'reject'): ModelView {
  return {
    name: 'm',
    version: '1',
    signature: { inputs, outputs: [], skippedOutputs: [] },
    batchable,
    labels: undefined,
    nan,
  };
}

const datatype = fc.constantFrom<Datatype>(...datatypes);
const dims = fc.array(fc.constantFrom(-1, 0, 1, 2, 3), { maxLength: 4 });
const spec = (name: string) => fc.record({ name: fc.constant(name), datatype, shape: dims });
const view = fc
  .tuple(
    fc.oneof(fc.tuple(spec('a')), fc.tuple(spec('a'), spec('b'))),
    fc.boolean(),
    fc.constantFrom('allow', 'reject'),
  )
  .map(([inputs, batchable, nan]) =>
    viewOf(inputs, batchable && inputs.every(({ shape }) => shape[0] === -1), nan as 'allow' | 'reject'),
  );

const leaf = fc.oneof(
  fc.integer({ min: -3, max: 300 }),
  fc.double(),
  fc.constantFrom<unknown>(null, true, 'NaN', '-Infinity', '12', 2n ** 63n, -1n, '', undefined, -0, 1e39),
);
const { tensorValue } = fc.letrec<{ tensorValue: unknown }>((tie) => ({
  tensorValue: fc.oneof(
    { depthSize: 'small', maxDepth: 5 },
    leaf,
    fc.array(leaf, { maxLength: 6 }),
    fc.array(tie('tensorValue'), { maxLength: 4 }),
    fc.uint8Array({ maxLength: 24 }),
    fc.record({ shape: fc.oneof(dims, leaf), data: tie('tensorValue'), datatype }, { requiredKeys: [] }),
    fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__'), tie('tensorValue'), { maxKeys: 3 }),
  ),
}));

test('tensor readers throw only HotpathError, and what they return has the count and rank of its shape', () => {
  const readers = {
    readFeatures,
    readInstances,
    readInputs: (value: unknown, model: ModelView) => readInputs(value, model, 8),
  };
  const reader = fc.constantFrom(...(Object.keys(readers) as (keyof typeof readers)[]));
  const payload = fc.oneof(
    tensorValue,
    fc.record({ a: tensorValue, b: tensorValue }, { requiredKeys: [] }),
    fc.array(fc.record({ a: tensorValue, b: tensorValue }), { maxLength: 3 }),
  );
  fc.assert(
    fc.property(reader, view, payload, (name, model, value) => {
      const tensors = attempt(() => readers[name](value, model));
      if (tensors === undefined) return;
      assert.equal(tensors.length, model.signature.inputs.length);
      for (const [index, tensor] of tensors.entries()) {
        const { shape, datatype: type } = model.signature.inputs[index]!;
        assert.equal(tensor.datatype, type);
        assert.equal(tensor.data.length, elementCount(tensor.shape), `${name} ${tensor.shape}`);
        assert.ok(fits(tensor.shape, shape), `${name}: [${tensor.shape}] for [${shape}]`);
      }
    }),
    { numRuns },
  );
});

function fits(shape: readonly number[], pattern: readonly number[]): boolean {
  return shape.length === pattern.length && pattern.every((dim, axis) => dim === -1 || dim === shape[axis]);
}

test('readRawTensor throws only HotpathError, whatever the bytes, their alignment and the shape', () => {
  const shape = fc.option(
    dims.map((list) => list.map(Math.abs)),
    { nil: undefined },
  );
  fc.assert(
    fc.property(view, fc.uint8Array({ maxLength: 64 }), fc.nat(7), shape, (model, bytes, offset, given) => {
      const input = model.signature.inputs[0]!;
      const tensor = attempt(() => readRawTensor('body', bytes.subarray(offset), given, input, model));
      if (tensor === undefined) return;
      assert.equal(tensor.data.length, elementCount(tensor.shape));
      const data = tensor.data as Uint8Array;
      const sent = bytes.subarray(offset);
      assert.deepEqual(Buffer.from(data.buffer, data.byteOffset, data.byteLength), Buffer.from(sent));
    }),
    { numRuns },
  );
});

test('numbers print as JSON that reads back to the same bits', () => {
  const check = (text: string, back: (value: number) => unknown, bits: unknown): void => {
    const parsed = JSON.parse(text);
    assert.equal(back(Number(parsed)), bits, text);
  };
  const f32 = new Float32Array(1);
  const u32 = new Uint32Array(f32.buffer);
  const bitsOf = (value: number): number => {
    // JSON has one NaN: its payload does not travel.
    f32[0] = Number.isNaN(value) ? Number.NaN : value;
    return u32[0]!;
  };
  const edges = fc.constantFrom(0x7f800000, 0xff800000, 0x7fc00000, 0x80000000, 1, 0x7f7fffff, 0x00800000);
  fc.assert(
    fc.property(fc.oneof(edges, fc.integer({ min: 0, max: 0xffffffff })), (bits) => {
      u32[0] = bits;
      const value = f32[0]!;
      check(float32Text(value), bitsOf, bitsOf(value));
    }),
    { numRuns, examples: [[0x7f800000], [0xff800000], [0x7fc00000]] },
  );
  const same = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));
  fc.assert(
    fc.property(fc.double(), (value) => check(float64Text(value), same, same(value))),
    { numRuns },
  );
  for (let bits = 0; bits < 65536; bits++) {
    const value = fromFloat16Bits(bits);
    check(float16Text(bits), same, same(value));
    if (!Number.isNaN(value)) assert.equal(toFloat16Bits(value), bits);
  }
});
