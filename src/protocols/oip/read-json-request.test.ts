import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import { jsonCall, type OipCall, rawCall } from './infer-call.ts';
import { readInferJson } from './infer-json.ts';
import { readJsonRequest } from './read-json-request.ts';
import { splitBody } from './split-body.ts';
import { modelView, refusal } from './testing/oip-fixtures.ts';

const target = { model: 'm', version: '2' };
const limits = { maxDims: 8, maxInputs: 4 };
const nothing = new Uint8Array();
const x = { name: 'x', shape: [1], datatype: 'FP32', data: [1] };

const read = (value: unknown, binary: Uint8Array = nothing) => readJsonRequest(value, binary, target, limits);
const said = (value: unknown, binary: Uint8Array = nothing): string => {
  const error = refusal(() => read(value, binary));
  assert.equal(error.code, 'INVALID_INPUT');
  return error.message;
};

/** As the server does: split, parse, make the call. */
function callOf(body: Buffer, header: string | undefined): OipCall {
  const { json, binary } = splitBody(body, header, 1000);
  return json === undefined
    ? rawCall(binary, target, limits)
    : jsonCall(readInferJson(json, 20), binary, target, limits, json);
}

describe('readJsonRequest', () => {
  it('reads every field', () => {
    const value = {
      id: 'a',
      parameters: { custom: 1.5, on: true, text: 't' },
      inputs: [x],
      outputs: [{ name: 'y', parameters: { binary_data: true } }],
    };
    assert.deepEqual(read(value), {
      model: 'm',
      version: '2',
      id: 'a',
      parameters: { custom: 1.5, on: true, text: 't' },
      inputs: [
        { name: 'x', shape: [1], datatype: 'FP32', contents: { kind: 'json', value: [1] }, parameters: undefined },
      ],
      outputs: [{ name: 'y', parameters: { binary_data: true } }],
    });
  });

  it('takes null for absent, an empty list of outputs for all, and ignores fields it does not know', () => {
    const input = { ...x, parameters: null };
    const value = { model_name: 'other', id: null, parameters: null, outputs: null, inputs: [input] };
    const { id, parameters, outputs } = read(value);
    assert.deepEqual([id, parameters, outputs], [undefined, undefined, undefined]);
    assert.equal(read({ inputs: [x], outputs: [] }).outputs, undefined);
    const binary = { name: 'b', shape: [1], datatype: 'INT8', data: null, parameters: { binary_data_size: 1 } };
    assert.equal(read({ inputs: [binary] }, Uint8Array.of(1)).inputs[0]!.contents.kind, 'raw');
  });

  it('gives the bytes behind the JSON to the inputs that claim them, in order and without a copy', () => {
    const claim = (name: string, size: number) => ({
      name,
      shape: [1],
      datatype: 'INT8',
      parameters: { binary_data_size: size },
    });
    const bytes = Uint8Array.of(1, 2, 3);
    const { inputs } = read({ inputs: [claim('a', 1), x, claim('b', 0), claim('c', 2)] }, bytes);
    const views = inputs.map(({ contents }) => (contents.kind === 'raw' ? contents.bytes : undefined));
    assert.deepEqual(views, [Uint8Array.of(1), undefined, new Uint8Array(), Uint8Array.of(2, 3)]);
    assert.equal(views[3]!.buffer, bytes.buffer);
  });

  it('names what is wrong with binary sizes', () => {
    const claim = (size: unknown) => ({
      inputs: [{ name: 'a', shape: [1], datatype: 'INT8', parameters: { binary_data_size: size } }],
    });
    const field = 'inputs.a.parameters.binary_data_size';
    assert.equal(
      said(claim(3), Uint8Array.of(1)),
      `${field}: expected at most the 1 bytes that are left of the body, got 3`,
    );
    assert.equal(said(claim(-1)), `${field}: expected a number of bytes, got number -1`);
    assert.equal(said(claim('1')), `${field}: expected a number of bytes, got string "1"`);
    assert.equal(said(claim(0.5)), `${field}: expected a number of bytes, got number 0.5`);
    assert.match(
      said(claim(1), Uint8Array.of(1, 2)),
      /^body: expected .* as many bytes as the inputs claim .*, got 1 bytes more$/,
    );
    assert.match(said({ inputs: [x] }, Uint8Array.of(1)), /got 1 bytes more/);
  });

  it('wants exactly one of data and binary data', () => {
    const { data: _, ...bare } = x;
    assert.match(said({ inputs: [bare] }), /^inputs\.x: expected "data", or binary data/);
    assert.match(
      said({ inputs: [{ ...x, parameters: { binary_data_size: 4 } }] }, new Uint8Array(4)),
      /^inputs\.x: has both/,
    );
    const shared = { ...bare, parameters: { shared_memory_region: 'r', shared_memory_byte_size: 4 } };
    assert.equal(refusal(() => read({ inputs: [shared] })).code, 'UNSUPPORTED');
  });

  it('names the field of a wrong type', () => {
    assert.equal(said([]), 'body: expected an object with "inputs", got a list of 0');
    assert.equal(said({}), 'inputs: expected a list, got nothing');
    assert.equal(said({ inputs: [] }), 'inputs: expected a list of at least one input, got none');
    assert.equal(said({ inputs: [x, x, x, x, x] }), 'inputs: expected at most 4 entries, got 5');
    assert.equal(said({ inputs: [1] }), 'inputs[0]: expected an input object, got number 1');
    assert.equal(said({ inputs: [{ ...x, name: 1 }] }), 'inputs[0].name: expected a string, got number 1');
    assert.equal(said({ inputs: [{ ...x, datatype: null }] }), 'inputs.x.datatype: expected a string, got null');
    assert.equal(said({ inputs: [{ ...x, shape: 1 }] }), 'inputs.x.shape: expected a list of integers, got number 1');
    assert.equal(
      said({ inputs: [{ ...x, shape: [1.5] }] }),
      'inputs.x.shape: expected a list of integers, got a list of 1',
    );
    assert.equal(said({ inputs: [x], id: 7 }), 'id: expected a string, got number 7');
    assert.equal(said({ inputs: [x], parameters: [] }), 'parameters: expected an object, got a list of 0');
    assert.equal(
      said({ inputs: [x], parameters: { a: {} } }),
      'parameters.a: expected a boolean, a number or a string, got an object',
    );
    assert.equal(
      said({ inputs: [{ ...x, parameters: { a: null } }] }),
      'inputs.x.parameters.a: expected a boolean, a number or a string, got null',
    );
    assert.equal(said({ inputs: [x], outputs: [{}] }), 'outputs[0].name: expected a string, got nothing');
    assert.equal(said({ inputs: [x], outputs: ['y'] }), 'outputs[0]: expected an output object, got string "y"');
  });
});

describe('splitBody', () => {
  const body = Buffer.from('{}1234');

  it('cuts where the header says, and takes the whole body for JSON without it', () => {
    const { json, binary } = splitBody(body, '2', 100);
    assert.deepEqual([String(json), String(binary)], ['{}', '1234']);
    assert.equal(json!.buffer, body.buffer);
    assert.deepEqual(splitBody(body, undefined, 100), { json: body, binary: Buffer.alloc(0) });
    assert.deepEqual(splitBody(body, '0', 1), { json: undefined, binary: body });
  });

  it('refuses a header that is no length of this body, and JSON over the limit', () => {
    const field = 'Inference-Header-Content-Length';
    const refused = (header: string) => refusal(() => splitBody(body, header, 100)).message;
    assert.equal(refused('7'), `${field}: expected at most the 6 bytes of the body, got 7`);
    for (const header of ['', '-1', '1.5', '0x2', '2, 2', ' 2', '9999999999999999']) {
      assert.match(refused(header), new RegExp(`^${field}: expected the number of bytes of the JSON part`));
    }
    assert.equal(refusal(() => splitBody(body, '2', 1)).code, 'PAYLOAD_TOO_LARGE');
    assert.equal(refusal(() => splitBody(body, undefined, 5)).code, 'PAYLOAD_TOO_LARGE');
  });
});

describe('a raw request', () => {
  const bound = (
    bytes: Uint8Array,
    shape: number[],
    datatype: 'float32' | 'string' | 'int16',
    batchable = false,
  ): readonly Tensor[] =>
    rawCall(bytes, target, limits).decode(modelView([{ name: 'x', datatype, shape }], { batchable }));
  const bytes = new Uint8Array(8);

  it('is one row whose one variable dimension follows from the size', () => {
    assert.deepEqual(bound(bytes, [-1, 2], 'float32', true)[0]!.shape, [1, 2]);
    assert.deepEqual(bound(bytes, [-1, -1], 'float32', true)[0]!.shape, [1, 2]);
    assert.deepEqual(bound(bytes, [-1, -1, 2], 'int16')[0]!.shape, [1, 2, 2]);
    assert.deepEqual(bound(bytes, [-1, 2], 'int16')[0]!.shape, [2, 2]);
    assert.equal((bound(bytes, [2], 'float32')[0]!.data as Float32Array).buffer, bytes.buffer);
  });

  it('is the one string of a string model', () => {
    assert.deepEqual(bound(Buffer.from('né'), [-1, 1], 'string'), [
      { datatype: 'string', shape: [1, 1], data: ['né'] },
    ]);
    assert.match(
      refusal(() => bound(bytes, [2], 'string')).message,
      /expected one BYTES element, but the input has shape \[2\]/,
    );
    assert.match(refusal(() => bound(Uint8Array.of(0xff), [1], 'string')).message, /not valid UTF-8/);
  });

  it('answers in binary', () => {
    const { plan } = rawCall(bytes, target, limits);
    assert.deepEqual(plan, { id: undefined, binary: true, outputs: undefined });
  });

  it('is refused when size, shape or number of inputs do not allow it', () => {
    assert.match(
      refusal(() => bound(bytes, [-1, 4], 'float32', true)).message,
      /^body: expected FP32 values of shape \[1, 4\]/,
    );
    assert.match(refusal(() => bound(bytes.subarray(1), [-1], 'float32')).message, /got 7 bytes/);
    assert.match(refusal(() => bound(bytes, [-1, -1, -1], 'int16')).message, /has 2 variable dimensions/);
    const two = modelView([
      { name: 'a', datatype: 'bool', shape: [1] },
      { name: 'b', datatype: 'bool', shape: [1] },
    ]);
    assert.match(
      refusal(() => rawCall(bytes, target, limits).decode(two)).message,
      /fits a model with one input; this one has 2/,
    );
  });
});

describe('any bytes with any header', () => {
  const model = modelView([{ name: 'x', datatype: 'float32', shape: [-1, 2] }], {
    nan: 'reject',
    outputs: [{ name: 'y', datatype: 'float32', shape: [1] }],
  });
  const attempt = (body: Buffer, header: string | undefined): boolean => {
    try {
      callOf(body, header).decode(model);
      return true;
    } catch (error) {
      assert.ok(error instanceof HotpathError, String(error));
      assert.ok(['INVALID_INPUT', 'PAYLOAD_TOO_LARGE', 'UNSUPPORTED'].includes(error.code), error.code);
      assert.ok(error.message.length < 1000, `a sentence of ${error.message.length} characters`);
      return false;
    }
  };

  it('give tensors or a HotpathError', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json({ maxDepth: 4 }).map((text) => Buffer.from(text)),
    );
    const header = fc.option(fc.oneof(fc.nat(220).map(String), fc.string({ maxLength: 5 })), { nil: undefined });
    fc.assert(
      fc.property(bytes, header, (body, length) => void attempt(Buffer.from(body), length)),
      { numRuns: 2000 },
    );
  });

  it('give tensors or a HotpathError also when they are nearly right', () => {
    const odd = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom('x', 'y', 'FP32', [1, 2], [[1, 2]], 8, true, 'NaN'),
    );
    /** Mostly nothing, else some of the names with anything in them. */
    const spoiled = (...names: string[]) => {
      const some = fc.record(Object.fromEntries(names.map((name) => [name, odd])), { requiredKeys: [] });
      return fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: some });
    };
    const input = fc
      .tuple(fc.boolean(), spoiled('name', 'shape', 'datatype', 'data'), spoiled('binary_data_size', 'other'))
      .map(([binary, own, parameters]) => {
        const good = binary ? { parameters: { binary_data_size: 8, ...parameters } } : { data: [1, 2] };
        return { name: 'x', shape: [1, 2], datatype: 'FP32', ...good, ...own };
      });
    const output = spoiled('name', 'parameters').map((own) => ({ name: 'y', ...own }));
    const request = fc.record({
      inputs: fc.array(input, { minLength: 1, maxLength: 2 }),
      outputs: fc.array(output, { maxLength: 2 }),
      parameters: spoiled('priority', 'timeout', 'binary_data_output', 'triton_x', 'sequence_id'),
    });
    const shift = fc.constantFrom(0, 0, 0, -1, 1);
    let accepted = 0;
    fc.assert(
      fc.property(request, fc.constantFrom(0, 8, 8, 7), spoiled('id', 'inputs'), shift, (value, size, own, shifted) => {
        const json = Buffer.from(JSON.stringify({ ...value, ...own }));
        if (attempt(Buffer.concat([json, Buffer.alloc(size)]), String(json.length + shifted))) accepted++;
      }),
      { numRuns: 2000 },
    );
    assert.ok(accepted > 20, `only ${accepted} of the requests were good`);
  });
});
