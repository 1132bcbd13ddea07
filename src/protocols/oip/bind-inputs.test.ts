import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { oipNames } from '../../core/oip-names.ts';
import { datatypes, elementCount, type Tensor, type TensorData, type TensorSpec } from '../../core/tensor.ts';
import { readJson } from '../codecs/read-json.ts';
import { writeList, writeNested } from '../codecs/write-json.ts';
import { bindInputs } from './bind-inputs.ts';
import { writeElements } from './bytes-elements.ts';
import type { OipContents, OipInput, OipRequest } from './request.ts';
import { anyTensor, modelView, refusal } from './testing/oip-fixtures.ts';
import { binaryOf } from './write-response.ts';

const limits = { maxDims: 4, maxInputs: 3 };
const age: TensorSpec = { name: 'age', datatype: 'float32', shape: [-1, 2] };
const flag: TensorSpec = { name: 'flag', datatype: 'bool', shape: [1] };
const finite = modelView([age, flag], { nan: 'reject' });

function request(...inputs: OipInput[]): OipRequest {
  return { model: 'model', version: undefined, id: undefined, parameters: undefined, inputs, outputs: undefined };
}

function input(name: string, datatype: string, shape: readonly number[], contents: OipContents): OipInput {
  return { name, datatype, shape, contents, parameters: undefined };
}

const json = (value: unknown): OipContents => ({ kind: 'json', value });
const raw = (...bytes: number[]): OipContents => ({ kind: 'raw', bytes: Uint8Array.from(bytes) });
const typed = (values: TensorData | readonly Uint8Array[]): OipContents => ({ kind: 'typed', values });

const goodFlag = input('flag', 'BOOL', [1], json([true]));

function bindOne(datatype: TensorSpec['datatype'], shape: readonly number[], contents: OipContents): Tensor {
  const model = modelView([{ name: 'x', datatype, shape }], { nan: 'reject' });
  return bindInputs(request(input('x', oipNames[datatype], shape, contents)), model, limits)[0]!;
}

function messageOf(datatype: TensorSpec['datatype'], shape: readonly number[], contents: OipContents): string {
  const { code, message } = refusal(() => bindOne(datatype, shape, contents));
  assert.equal(code, 'INVALID_INPUT');
  return message;
}

describe('bindInputs', () => {
  it('gives tensors in signature order, whatever order they were sent in', () => {
    const tensors = bindInputs(request(goodFlag, input('age', 'FP32', [1, 2], json([1, 2.5]))), finite, limits);
    assert.deepEqual(tensors, [
      { datatype: 'float32', shape: [1, 2], data: Float32Array.of(1, 2.5) },
      { datatype: 'bool', shape: [1], data: Uint8Array.of(1) },
    ]);
  });

  it('gives identical tensors for JSON flat, JSON nested, typed and binary contents of every datatype', () => {
    fc.assert(
      fc.property(anyTensor, fc.nat(7), (tensor, shift) => {
        const { datatype, shape, data } = tensor;
        const model = modelView([{ name: 'x', datatype, shape: shape.map(() => -1) }]);
        const bind = (contents: OipContents) =>
          bindInputs(request(input('x', oipNames[datatype], shape, contents)), model, { maxDims: 3, maxInputs: 1 })[0];
        const bytes = binaryOf({ name: 'x', ...tensor });
        // In the middle of a message, aligned or not.
        const message = new Uint8Array(shift + bytes.length);
        message.set(bytes, shift);
        assert.deepEqual(bind({ kind: 'raw', bytes: message.subarray(shift) }), tensor);
        if (datatype === 'float16') return;
        const parse = (text: string) => json(readJson(Buffer.from(wideAsText(datatype, text)), 10));
        assert.deepEqual(bind(parse(writeList(datatype, data, 0, data.length))), tensor);
        assert.deepEqual(bind(parse(writeNested(tensor, shape, 0, data.length))), tensor);
        assert.deepEqual(bind(typed(typedForm(tensor))), tensor);
      }),
      { numRuns: 500 },
    );
  });

  it('uses binary and wide typed contents without a copy', () => {
    const bytes = Uint8Array.from([0, 0, 128, 63, 0, 0, 0, 64]);
    const bound = bindOne('float32', [2], { kind: 'raw', bytes }).data as Float32Array;
    assert.equal(bound.buffer, bytes.buffer);
    assert.deepEqual([...bound], [1, 2]);
    const values = BigInt64Array.of(-1n);
    assert.equal(bindOne('int64', [1], typed(values)).data, values);
  });

  it('names an unknown, a repeated and a missing input', () => {
    const good = input('age', 'FP32', [1, 2], json([1, 2]));
    const bind = (...inputs: OipInput[]) => refusal(() => bindInputs(request(...inputs), finite, limits)).message;
    assert.equal(
      bind(good, input('Flag', 'BOOL', [1], json([true]))),
      'Unknown input "Flag"; the model has: "age", "flag"',
    );
    assert.equal(bind(good, good), 'inputs.age: expected each input once, got it twice');
    assert.equal(bind(good), 'Missing input "flag"; the model takes: "age", "flag"');
    assert.equal(bind(), 'Missing input "age", "flag"; the model takes: "age", "flag"');
    assert.equal(bind(good, good, good, good), 'inputs: expected at most 3 inputs, got 4');
  });

  it('names the input whose datatype or shape is wrong', () => {
    const bind = (datatype: string, shape: number[]) =>
      refusal(() => bindInputs(request(input('age', datatype, shape, json([1, 2])), goodFlag), finite, limits)).message;
    assert.equal(bind('FP64', [1, 2]), 'inputs.age.datatype: expected FP32, got "FP64"');
    assert.equal(bind('BF16', [1, 2]), 'inputs.age.datatype: expected FP32, got "BF16"');
    assert.equal(bind('FP32', [2]), 'inputs.age.shape: expected [?, 2], got [2]');
    assert.equal(bind('FP32', [1, 3]), 'inputs.age.shape: expected [?, 2], got [1, 3]');
    const rule = 'expected at most 4 dimensions, none negative, whose product is below 2^53';
    assert.equal(bind('FP32', [-1, 2]), `inputs.age.shape: ${rule}, got [-1, 2]`);
    assert.equal(bind('FP32', [2 ** 40, 2 ** 40]), `inputs.age.shape: ${rule}, got [1099511627776, 1099511627776]`);
    assert.equal(bind('FP32', [0, 2 ** 53, 4]), `inputs.age.shape: ${rule}, got [0, 9007199254740992, 4]`);
    assert.equal(bind('FP32', [1, 1, 1, 1, 1]), `inputs.age.shape: ${rule}, got 5 dimensions`);
  });

  it('refuses another number of elements than the shape says', () => {
    assert.equal(
      messageOf('int32', [2, 2], json([1, 2, 3])),
      'inputs.x.data: expected 4 numbers for shape [2, 2], got [3]',
    );
    assert.equal(messageOf('int32', [2, 2], json([[1, 2], [3]])), 'inputs.x.data[1]: expected 2 numbers, got 1');
    assert.equal(messageOf('int32', [2], json({})), 'inputs.x.data: expected 2 numbers for shape [2], got an object');
    assert.equal(
      messageOf('int32', [2, 2], raw(1, 2)),
      'inputs.x: expected 16 bytes for INT32 of shape [2, 2], got 2 bytes',
    );
    assert.equal(
      messageOf('int32', [2], typed(Int32Array.of(1))),
      'inputs.x: expected 2 elements for shape [2], got 1',
    );
  });

  it('refuses a shape that promises more than the message holds before it allocates', () => {
    const huge = [2 ** 50];
    assert.match(messageOf('string', huge, raw(0, 0, 0, 0)), /expected at least 4503599627370496 bytes .* got 4 bytes/);
    assert.match(messageOf('float64', huge, raw(0)), /got 1 bytes/);
    assert.match(messageOf('float64', huge, json([1])), /got \[1\]/);
    assert.match(messageOf('string', huge, typed([])), /got 0/);
  });

  it('refuses values that do not fit the datatype', () => {
    assert.equal(
      messageOf('int8', [1], json([128])),
      'inputs.x.data[0]: expected an integer from -128 to 127, got number 128',
    );
    assert.equal(
      messageOf('int8', [2], typed(Int32Array.of(1, -129))),
      'inputs.x[1]: expected an integer from -128 to 127, got number -129',
    );
    assert.equal(
      messageOf('uint16', [1], typed(Uint32Array.of(65536))),
      'inputs.x[0]: expected an integer from 0 to 65535, got number 65536',
    );
    assert.match(messageOf('int64', [1], json([2 ** 60])), /send integers beyond 2\^53 - 1 as decimal strings/);
    assert.match(messageOf('uint64', [1], json(['-1'])), /expected an unsigned 64-bit integer/);
    assert.match(messageOf('string', [1], json([5])), /expected a string, got number 5/);
    assert.equal(messageOf('bool', [2], raw(1, 2)), 'inputs.x[1]: expected a BOOL byte of 0 or 1, got 2');
    assert.equal(messageOf('bool', [1], typed(Uint8Array.of(7))), 'inputs.x[0]: expected a BOOL byte of 0 or 1, got 7');
  });

  it('refuses NaN and infinities of a model that takes none, in every form', () => {
    const said = /takes no NaN or infinity/;
    assert.match(messageOf('float32', [1], json(['NaN'])), said);
    assert.match(
      messageOf('float32', [2], typed(Float32Array.of(1, Number.NaN))),
      /inputs\.x\[1\]: this model takes no NaN/,
    );
    assert.match(messageOf('float64', [1], typed(Float64Array.of(-Infinity))), said);
    assert.match(
      messageOf('float64', [2], raw(...new Uint8Array(Float64Array.of(0, Infinity).buffer))),
      /inputs\.x\[1\]/,
    );
    assert.match(messageOf('float16', [1], raw(0x00, 0x7c)), said);
    assert.match(messageOf('float32', [1], raw(0, 0, 0xc0, 0x7f)), said);
  });

  it('finds NaN and infinities wherever they are', () => {
    const places = fc.tuple(
      fc.integer({ min: 1, max: 11 }),
      fc.nat(10),
      fc.constantFrom(Number.NaN, Infinity, -Infinity),
    );
    fc.assert(
      fc.property(places, fc.constantFrom('float32', 'float64'), ([length, at, value], datatype) => {
        const data =
          datatype === 'float32' ? new Float32Array(length).fill(3e38) : new Float64Array(length).fill(-1e308);
        assert.equal(bindOne(datatype, [length], typed(data)).data, data);
        data[at % length] = value;
        assert.match(messageOf(datatype, [length], typed(data)), new RegExp(`^inputs\\.x\\[${at % length}\\]`));
      }),
    );
  });

  it('takes only the typed contents that belong to the datatype', () => {
    assert.equal(
      messageOf('uint8', [1], typed(Uint8Array.of(1))),
      'inputs.x: expected UINT8 in uint_contents, got bool_contents',
    );
    assert.equal(
      messageOf('int64', [1], typed(Int32Array.of(1))),
      'inputs.x: expected INT64 in int64_contents, got int_contents',
    );
    assert.equal(
      messageOf('float16', [1], typed(Uint16Array.of(1))),
      'inputs.x: FP16 has no typed contents; send it in raw_input_contents',
    );
    assert.match(messageOf('float16', [1], json([1])), /FP16 has no JSON form; send it as binary data/);
  });

  it('gives tensors or INVALID_INPUT for any contents with any shape', () => {
    const dim = fc.oneof(fc.nat(3), fc.integer({ min: -2, max: 2 ** 31 }), fc.maxSafeNat());
    const contents = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes): OipContents => ({ kind: 'raw', bytes })),
      fc
        .oneof(fc.int32Array(), fc.float64Array(), fc.bigInt64Array(), fc.uint8Array())
        .map((array) => typed(array as TensorData)),
      fc.array(fc.uint8Array({ maxLength: 3 }), { maxLength: 3 }).map(typed),
      fc.jsonValue({ maxDepth: 3 }).map(json),
    );
    fc.assert(
      fc.property(fc.constantFrom(...datatypes), fc.array(dim, { maxLength: 5 }), contents, (datatype, shape, any) => {
        const model = modelView([{ name: 'x', datatype, shape: shape.map(() => -1) }], { nan: 'reject' });
        try {
          const { data } = bindInputs(request(input('x', oipNames[datatype], shape, any)), model, limits)[0]!;
          assert.equal(data.length, elementCount(shape));
        } catch (error) {
          assert.ok(error instanceof HotpathError, String(error));
          assert.equal(error.code, 'INVALID_INPUT');
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('refuses BYTES that are cut off, left over or no UTF-8', () => {
    const two = writeElements(['a', 'né']);
    assert.deepEqual(bindOne('string', [2], { kind: 'raw', bytes: two }).data, ['a', 'né']);
    assert.match(
      messageOf('string', [2], { kind: 'raw', bytes: two.subarray(0, -1) }),
      /inputs\.x\[1\]: the BYTES element is cut off/,
    );
    assert.match(
      messageOf('string', [2], raw(4, 0, 0, 0, 1, 2, 3, 4, 5)),
      /inputs\.x\[1\]: the BYTES element is cut off/,
    );
    assert.match(messageOf('string', [1], raw(255, 255, 255, 255)), /inputs\.x\[0\]: the BYTES element is cut off/);
    assert.equal(
      messageOf('string', [1], { kind: 'raw', bytes: two }),
      'inputs.x: expected 5 bytes for its 1 BYTES elements, got 12 bytes',
    );
    assert.match(messageOf('string', [1], raw(1, 0, 0, 0, 0xff)), /inputs\.x\[0\]: the bytes are not valid UTF-8/);
    assert.match(
      messageOf('string', [1], typed([Uint8Array.of(0xc3)])),
      /inputs\.x\[0\]: the bytes are not valid UTF-8/,
    );
  });
});

/** JSON numbers lose digits beyond 2^53; requests send those as text. */
function wideAsText(datatype: string, text: string): string {
  return datatype.endsWith('int64') ? text.replaceAll(/-?\d+/g, '"$&"') : text;
}

/** As gRPC would have it: small integers widened, strings as bytes. */
function typedForm({ datatype, data }: Tensor): TensorData | readonly Uint8Array[] {
  if (Array.isArray(data)) return data.map((text) => Buffer.from(text));
  if (datatype === 'int8' || datatype === 'int16') return Int32Array.from(data as Int8Array);
  if (datatype === 'uint8' || datatype === 'uint16') return Uint32Array.from(data as Uint8Array);
  return data;
}
