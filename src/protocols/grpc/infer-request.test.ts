import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { decodeInferRequest } from './infer-request.ts';
import { decodeReference, encodeReference } from './testing/proto-json.ts';

const limits = { maxInputs: 8, maxDims: 6 };

const decode = (bytes: Uint8Array) => decodeInferRequest(Buffer.from(bytes), limits);
const encode = (json: object) => encodeReference('ModelInferRequest', json);

/** Written by hand: field number and wire type, then what follows. */
const field = (number: number, wireType: number, ...rest: number[]) => [(number << 3) | wireType, ...rest];
const bytesField = (number: number, content: readonly number[]) => field(number, 2, content.length, ...content);
const inputOf = (...fields: readonly number[][]) => Buffer.from(bytesField(5, fields.flat()));
const contentsOf = (...fields: readonly number[][]) => inputOf(bytesField(5, fields.flat()));

function typedOf(bytes: Uint8Array): unknown {
  const { contents } = decode(bytes).inputs[0]!;
  assert.equal(contents.kind, 'typed');
  return contents.kind === 'typed' && contents.values;
}

const text = fc.string({ unit: 'grapheme', maxLength: 100 });
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const shape = fc.array(fc.maxSafeInteger(), { maxLength: 6 });

const parameter = fc.oneof(
  fc.boolean().map((value) => ({ json: { bool_param: value }, value })),
  int64.map((value) => ({ json: { int64_param: String(value) }, value: narrowed(value) })),
  uint64.map((value) => ({ json: { uint64_param: String(value) }, value: narrowed(value) })),
  text.map((value) => ({ json: { string_param: value }, value })),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => ({ json: { double_param: value }, value })),
);
const parameters = fc.dictionary(fc.string({ minLength: 1, maxLength: 20 }), parameter, { maxKeys: 5 });

const contents = fc.oneof(
  fc
    .array(fc.boolean(), { minLength: 1 })
    .map((list) => ({ json: { bool_contents: list }, values: Uint8Array.from(list, Number) })),
  fc
    .array(fc.integer(), { minLength: 1 })
    .map((list) => ({ json: { int_contents: list }, values: Int32Array.from(list) })),
  fc
    .array(int64, { minLength: 1 })
    .map((list) => ({ json: { int64_contents: list.map(String) }, values: BigInt64Array.from(list) })),
  fc
    .array(fc.nat(), { minLength: 1 })
    .map((list) => ({ json: { uint_contents: list }, values: Uint32Array.from(list) })),
  fc
    .array(uint64, { minLength: 1 })
    .map((list) => ({ json: { uint64_contents: list.map(String) }, values: BigUint64Array.from(list) })),
  fc
    .float32Array({ minLength: 1, noNaN: true, noDefaultInfinity: true })
    .map((list) => ({ json: { fp32_contents: [...list] }, values: list })),
  fc
    .float64Array({ minLength: 1, noNaN: true, noDefaultInfinity: true })
    .map((list) => ({ json: { fp64_contents: [...list] }, values: list })),
  fc.array(fc.uint8Array(), { minLength: 1 }).map((list) => ({
    json: { bytes_contents: list.map((bytes) => Buffer.from(bytes).toString('base64')) },
    values: list.map((bytes) => Buffer.from(bytes)),
  })),
);

function narrowed(value: bigint): number | bigint {
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

type Parameters = Record<string, { json: object; value: unknown }>;

const jsonOf = (all: Parameters) => Object.fromEntries(Object.entries(all).map(([key, { json }]) => [key, json]));
const valuesOf = (all: Parameters) =>
  Object.keys(all).length === 0
    ? undefined
    : Object.fromEntries(Object.entries(all).map(([key, { value }]) => [key, value]));

describe('decodeInferRequest', () => {
  it('reads what another implementation wrote, field for field', () => {
    const input = fc.record({ name: text, datatype: text, shape, parameters, contents });
    const output = fc.record({ name: text, parameters });
    const request = fc.record({
      model: text,
      version: text,
      id: text,
      parameters,
      inputs: fc.array(input, { maxLength: 4 }),
      outputs: fc.array(output, { maxLength: 4 }),
    });
    fc.assert(
      fc.property(request, (wanted) => {
        const bytes = encode({
          model_name: wanted.model,
          model_version: wanted.version,
          id: wanted.id,
          parameters: jsonOf(wanted.parameters),
          inputs: wanted.inputs.map((one) => ({
            ...one,
            shape: one.shape.map(String),
            parameters: jsonOf(one.parameters),
            contents: one.contents.json,
          })),
          outputs: wanted.outputs.map((one) => ({ ...one, parameters: jsonOf(one.parameters) })),
        });
        assert.deepEqual(decode(bytes), {
          model: wanted.model,
          version: wanted.version || undefined,
          id: wanted.id || undefined,
          parameters: valuesOf(wanted.parameters),
          inputs: wanted.inputs.map((one) => ({
            ...one,
            parameters: valuesOf(one.parameters),
            contents: { kind: 'typed', values: one.contents.values },
          })),
          outputs:
            wanted.outputs.length === 0
              ? undefined
              : wanted.outputs.map((one) => ({ name: one.name, parameters: valuesOf(one.parameters) })),
        });
      }),
      { numRuns: 150 },
    );
  });

  it('gives raw contents as views of the message', () => {
    const json = {
      inputs: [{ name: 'a' }, { name: 'b' }],
      raw_input_contents: [Buffer.from('first').toString('base64'), ''],
    };
    const message = encode(json);
    const { inputs } = decodeInferRequest(message, limits);
    const [first, second] = inputs.map((input) => input.contents as { kind: 'raw'; bytes: Uint8Array });
    assert.deepEqual([first!.kind, second!.kind], ['raw', 'raw']);
    assert.equal(Buffer.from(first!.bytes).toString(), 'first');
    assert.equal(first!.bytes.buffer, message.buffer);
    assert.equal(second!.bytes.length, 0);
  });

  it('keeps every bit of a float, NaN patterns included', () => {
    const bits = [0x7fc00001, 0xffc12345, 0x80000000, 0x7f800000, 1];
    const packed = Buffer.alloc(4 * bits.length);
    for (const [index, pattern] of bits.entries()) packed.writeUInt32LE(pattern, 4 * index);
    const values = typedOf(contentsOf(bytesField(6, [...packed]))) as Float32Array<ArrayBuffer>;
    assert.deepEqual([...new Uint32Array(values.buffer, values.byteOffset, values.length)], bits);
  });

  it('copies long runs of floats as faithfully as short ones', () => {
    for (const count of [1, 3, 255, 256, 257, 5000]) {
      const list = Array.from({ length: count }, (_, index) => index - 0.5);
      const single = encode({ inputs: [{ contents: { fp32_contents: list } }] });
      const double = encode({ inputs: [{ contents: { fp64_contents: list } }] });
      assert.deepEqual(typedOf(single), Float32Array.from(list));
      assert.deepEqual(typedOf(double), Float64Array.from(list));
    }
  });

  it('adds up packed runs and single elements of one field', () => {
    assert.deepEqual(
      typedOf(contentsOf(bytesField(2, [1, 2, 3]), field(2, 0, 4), bytesField(2, []), bytesField(2, [5]))),
      Int32Array.of(1, 2, 3, 4, 5),
    );
    const one = [0, 0, 0x80, 0x3f];
    assert.deepEqual(
      typedOf(contentsOf(field(6, 5, ...one), bytesField(6, [...one, ...one]), field(6, 5, ...one))),
      Float32Array.of(1, 1, 1, 1),
    );
  });

  it('adds up contents that come in two parts, as messages are merged', () => {
    const bytes = inputOf(bytesField(5, bytesField(2, [1])), bytesField(5, bytesField(2, [2])));
    assert.deepEqual(typedOf(bytes), Int32Array.of(1, 2));
    assert.deepEqual(decodeReference('ModelInferRequest', bytes).inputs[0].contents.int_contents, [1, 2]);
  });

  it('gives an empty tensor for an input without elements, of the kind its datatype has', () => {
    const of = (datatype: string) => decode(encode({ inputs: [{ datatype, shape: ['0'] }] })).inputs[0]!.contents;
    assert.deepEqual(of('FP32'), { kind: 'typed', values: new Float32Array(0) });
    assert.deepEqual(of('INT16'), { kind: 'typed', values: new Int32Array(0) });
    assert.deepEqual(of('BYTES'), { kind: 'typed', values: [] });
    assert.deepEqual(of('FP16'), { kind: 'raw', bytes: new Uint8Array(0) });
    assert.deepEqual(of('constructor'), { kind: 'raw', bytes: new Uint8Array(0) });
  });

  it('skips fields it does not know, of every wire type', () => {
    const unknown = [
      field(15, 0, 0xff, 1),
      field(15, 1, ...new Array(8).fill(7)),
      bytesField(15, [1, 2]),
      field(15, 5, 1, 2, 3, 4),
    ];
    const bytes = Buffer.from([...unknown.flat(), ...bytesField(1, [109]), ...bytesField(5, unknown.flat())]);
    assert.equal(decode(bytes).model, 'm');
  });

  it('makes dimensions beyond 2^53 no safe integers, so that they are refused later', () => {
    const { inputs } = decode(encode({ inputs: [{ shape: ['9223372036854775807', '-9223372036854775808', '-1'] }] }));
    assert.deepEqual(inputs[0]!.shape, [2 ** 63, -(2 ** 63), -1]);
  });

  it('takes a parameter named __proto__ for what it is', () => {
    const key = [...Buffer.from('__proto__')];
    const entry = bytesField(4, [...bytesField(1, key), ...bytesField(2, field(1, 0, 1))]);
    const { parameters: read } = decode(Buffer.from(entry));
    assert.deepEqual(Object.entries(read!), [['__proto__', true]]);
    assert.equal(Object.getPrototypeOf(read), Object.prototype);
  });

  const refused: readonly (readonly [string, Uint8Array, RegExp])[] = [
    ['groups', Buffer.from(field(1, 3, 0)), /wire type 3/],
    ['reserved wire types', Buffer.from(field(1, 7, 0)), /wire type 7/],
    ['field number 0', Buffer.of(0x02, 0x00), /field number 0/],
    ['a string that is a number', Buffer.from(field(1, 0, 1)), /model_name has wire type 0/],
    ['a length beyond the message', Buffer.from(field(1, 2, 200, 1, 65)), /longer than the message/],
    ['a length beyond the message around it', inputOf([0x0a, 5, 65]), /longer than the message/],
    ['a length of 64 bits', Buffer.from(field(1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f)), /32 bits/],
    ['a varint of eleven bytes', Buffer.from(field(15, 0, ...new Array(10).fill(0xff), 1)), /64 bits/],
    ['a varint that does not end', Buffer.from(field(15, 0, 0x80)), /ends early/],
    ['text that is no UTF-8', Buffer.from(bytesField(1, [0xc3, 0x28])), /model_name.*UTF-8/],
    ['packed floats that are no whole number', contentsOf(bytesField(6, [1, 2, 3])), /whole number/],
    ['packed varints that end within one', contentsOf(bytesField(2, [1, 0x80])), /within an element/],
    ['a float as varint', contentsOf(field(6, 0, 1)), /wire type/],
    ['two kinds of contents', contentsOf(bytesField(2, [1]), bytesField(4, [1])), /one is expected/],
    ['more inputs than allowed', Buffer.concat(new Array(9).fill(inputOf())), /inputs: expected at most 8/],
    [
      'more outputs than allowed',
      Buffer.from(new Array(9).fill(bytesField(6, [])).flat()),
      /outputs: expected at most 8/,
    ],
    ['more raw contents than inputs', Buffer.from(bytesField(7, [1])), /raw_input_contents: expected 0/],
    ['more dimensions than allowed', inputOf(bytesField(3, [1, 1, 1, 1, 1, 1, 1])), /at most 6 dimensions/],
    ['a parameter without a value', Buffer.from(bytesField(4, bytesField(1, [97]))), /parameters\.a/],
  ];
  for (const [what, bytes, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(
        () => decode(bytes),
        (error: unknown) => {
          assert.ok(error instanceof HotpathError);
          assert.equal(error.code, 'INVALID_INPUT');
          assert.match(error.message, message);
          return true;
        },
      );
    });
  }

  it('never accepts what another implementation refuses, whatever the bytes', () => {
    const valid = encode({
      model_name: 'demo',
      id: 'ü',
      parameters: { a: { int64_param: '5' } },
      inputs: [
        { name: 'x', datatype: 'FP32', shape: ['2', '2'], contents: { fp32_contents: [1, 2, 3, 4] } },
        { name: 'y', datatype: 'INT64', shape: ['2'], contents: { int64_contents: ['-1', '5'] } },
      ],
      outputs: [{ name: 'z', parameters: { classification: { int64_param: '3' } } }],
    });
    const mutated = fc
      .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 })
      .chain((changes) => fc.nat(valid.length).map((length) => ({ changes, length })))
      .map(({ changes, length }) => {
        const bytes = Buffer.from(valid);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes.subarray(0, changes.length % 2 === 0 ? length : bytes.length);
      });
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }).map((some) => Buffer.from(some)),
      mutated,
    );
    fc.assert(
      fc.property(bytes, (some) => {
        const before = Buffer.from(some);
        let request: ReturnType<typeof decode> | undefined;
        try {
          request = decodeInferRequest(some, limits);
        } catch (error) {
          assert.ok(error instanceof HotpathError, String(error));
          assert.ok(['INVALID_INPUT', 'UNSUPPORTED'].includes(error.code));
        }
        assert.ok(before.equals(some), 'the message was written to');
        if (request === undefined) return;
        const reference = decodeReference('ModelInferRequest', some);
        assert.equal(request.model, reference.model_name ?? '');
        assert.equal(request.inputs.length, reference.inputs?.length ?? 0);
      }),
      { numRuns: 3000 },
    );
  });
});
