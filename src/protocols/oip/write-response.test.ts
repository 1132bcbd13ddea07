import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { NamedTensor } from '../../core/tensor.ts';
import { toFloat16Bits } from '../codecs/float16.ts';
import { readJson } from '../codecs/read-json.ts';
import { type AnswerPlan, checkJsonForm, checkPlan, planAnswer } from './answer-plan.ts';
import { bindInputs } from './bind-inputs.ts';
import { readJsonRequest } from './read-json-request.ts';
import type { OipParameters, OipRequest } from './request.ts';
import { anyTensor, modelView, refusal, response } from './testing/oip-fixtures.ts';
import { type OipAnswer, writeResponse } from './write-response.ts';

const target = { model: 'model', version: undefined };

function plan(
  outputs?: Record<string, OipParameters | undefined>,
  parameters?: OipParameters,
  id?: string,
): AnswerPlan {
  const named = outputs && Object.entries(outputs).map(([name, own]) => ({ name, parameters: own }));
  const request: OipRequest = { ...target, id, parameters, inputs: [], outputs: named };
  return planAnswer(request, 10);
}

/** The JSON part and everything behind it. */
function parts({ headers, body }: OipAnswer): { json: Record<string, unknown>; tail: Buffer } {
  if (typeof body === 'string') return { json: JSON.parse(body), tail: Buffer.alloc(0) };
  const whole = Buffer.concat(body);
  const length = Number(headers[headers.indexOf('inference-header-content-length') + 1]);
  return { json: JSON.parse(whole.toString('utf8', 0, length)), tail: whole.subarray(length) };
}

const score: NamedTensor = { name: 'score', datatype: 'float32', shape: [1, 3], data: Float32Array.of(0.1, -0, 2) };
const label: NamedTensor = { name: 'label', datatype: 'string', shape: [1], data: ['né'] };
const count: NamedTensor = { name: 'count', datatype: 'int64', shape: [], data: BigInt64Array.of(2n ** 63n - 1n) };
const model = modelView([], { outputs: [score, label, count] });
const answer = response(model, [score, label, count]);

describe('writeResponse', () => {
  it('writes all outputs as JSON, with the id and exact integers', () => {
    const { headers, body } = writeResponse(plan(undefined, undefined, 'a"b'), answer);
    assert.deepEqual(headers, ['content-type', 'application/json']);
    assert.equal(
      body,
      '{"model_name":"model","model_version":"1","id":"a\\"b","outputs":[' +
        '{"name":"score","datatype":"FP32","shape":[1,3],"data":[0.1,-0.0,2]},' +
        '{"name":"label","datatype":"BYTES","shape":[1],"data":["né"]},' +
        '{"name":"count","datatype":"INT64","shape":[],"data":[9223372036854775807]}]}',
    );
  });

  it('leaves the id out when the request had none, and keeps an empty one', () => {
    assert.equal('id' in parts(writeResponse(plan(), answer)).json, false);
    assert.equal(parts(writeResponse(plan(undefined, undefined, ''), answer)).json.id, '');
  });

  it('writes NaN and infinities as strings', () => {
    const odd: NamedTensor = {
      name: 'y',
      datatype: 'float64',
      shape: [3],
      data: Float64Array.of(Number.NaN, Infinity, -Infinity),
    };
    const { json } = parts(writeResponse(plan(), response(model, [odd])));
    assert.deepEqual(json.outputs, [
      { name: 'y', datatype: 'FP64', shape: [3], data: ['NaN', 'Infinity', '-Infinity'] },
    ]);
  });

  it('answers the requested outputs in the requested order, binary where asked', () => {
    const written = writeResponse(plan({ label: { binary_data: true }, score: { binary_data: false } }), answer);
    const { json, tail } = parts(written);
    assert.deepEqual(json.outputs, [
      { name: 'label', datatype: 'BYTES', shape: [1], parameters: { binary_data_size: 7 } },
      { name: 'score', datatype: 'FP32', shape: [1, 3], data: [0.1, -0, 2] },
    ]);
    assert.deepEqual([...tail], [3, 0, 0, 0, 0x6e, 0xc3, 0xa9]);
    assert.equal(written.headers[1], 'application/octet-stream');
  });

  it('puts binary outputs behind the JSON in their order, as views of the tensors', () => {
    const { body } = writeResponse(plan({ count: undefined, score: undefined }, { binary_data_output: true }), answer);
    assert.equal((body[1] as Uint8Array).buffer, (count.data as BigInt64Array).buffer);
    assert.equal((body[2] as Uint8Array).buffer, (score.data as Float32Array).buffer);
    assert.equal(body.length, 3);
  });

  it('says that the JSON is all when the only binary output is empty', () => {
    const empty: NamedTensor = { name: 'y', datatype: 'float32', shape: [0], data: new Float32Array() };
    const { json, tail } = parts(
      writeResponse(plan(undefined, { binary_data_output: true }), response(model, [empty])),
    );
    assert.deepEqual(json.outputs, [{ name: 'y', datatype: 'FP32', shape: [0], parameters: { binary_data_size: 0 } }]);
    assert.equal(tail.length, 0);
  });

  it('writes what a request reads back to the same tensors, as JSON and as binary', () => {
    fc.assert(
      fc.property(
        fc.array(anyTensor, { minLength: 1, maxLength: 3 }),
        fc.array(fc.boolean(), { minLength: 3 }),
        (tensors, choices) => {
          const outputs = tensors.map((tensor, index) => ({ ...tensor, name: `t${index}` }));
          const asked = outputs.map(
            ({ name, datatype }, index) => [name, { binary_data: mustBeBinary(datatype) || choices[index]! }] as const,
          );
          const written = writeResponse(plan(Object.fromEntries(asked)), response(model, outputs));
          const { tail } = parts(written);
          const text = Buffer.concat(typeof written.body === 'string' ? [Buffer.from(written.body)] : written.body);
          const { outputs: inputs } = readJson(text.subarray(0, text.length - tail.length), 10) as { outputs: unknown };
          const request = readJsonRequest({ inputs }, tail, target, { maxInputs: 3 });
          const specs = outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
          const bound = bindInputs(request, modelView(specs), { maxDims: 4, maxInputs: 3 });
          assert.deepEqual(bound, tensors);
        },
      ),
      { numRuns: 300 },
    );
  });
});

/** FP16 has no JSON form, and a JSON parser loses the digits of wide integers. */
function mustBeBinary(datatype: string): boolean {
  return datatype === 'float16' || datatype.endsWith('int64');
}

describe('the plan of an answer', () => {
  const half = modelView([], {
    outputs: [{ name: 'h', datatype: 'float16', shape: [2] }, score],
    skippedOutputs: ['map'],
  });
  const said = (act: () => unknown): string => refusal(act).message;

  it('refuses FP16 as JSON before the model runs, and says how to ask', () => {
    const asksFor = /outputs\.h: FP16 has no JSON form; ask for it with the output's parameter binary_data/;
    assert.match(
      said(() => checkJsonForm(plan(), half)),
      asksFor,
    );
    assert.match(
      said(() => checkJsonForm(plan({ h: undefined }), half)),
      asksFor,
    );
    checkJsonForm(plan({ score: undefined }), half);
    checkJsonForm(plan({ h: { binary_data: true } }), half);
    checkJsonForm(plan({ h: { classification: 1 } }), half);
    checkJsonForm(plan(undefined, { binary_data_output: true }), half);
  });

  it('names unknown, skipped and repeated outputs', () => {
    assert.equal(
      said(() => checkPlan(plan({ z: undefined }), half)),
      'The output "z" is unknown; the model has: "h", "score"',
    );
    assert.match(
      said(() => checkPlan(plan({ map: undefined }), half)),
      /"map" is no tensor and cannot be fetched/,
    );
    const twice = {
      ...target,
      id: undefined,
      parameters: undefined,
      inputs: [],
      outputs: [
        { name: 'h', parameters: undefined },
        { name: 'h', parameters: undefined },
      ],
    };
    assert.equal(
      said(() => planAnswer(twice, 10)),
      'outputs.h: expected each output once, got it twice',
    );
    assert.equal(
      said(() => planAnswer(twice, 1)),
      'outputs: expected at most 1 outputs, got 2',
    );
  });

  it('names wrong parameters of outputs', () => {
    assert.equal(
      said(() => plan({ h: { binary_data: 1 } })),
      'outputs.h.parameters.binary_data: expected true or false, got number 1',
    );
    assert.equal(
      said(() => plan({ h: { classification: -1 } })),
      'outputs.h.parameters.classification: expected an integer from 0 on, got number -1',
    );
    assert.match(
      said(() => plan({ h: { classification: 10_001 } })),
      /at most 10000 classes/,
    );
    assert.equal(refusal(() => plan({ h: { shared_memory_region: 'r' } })).code, 'UNSUPPORTED');
    assert.equal(
      said(() => checkPlan(plan({ label: { classification: 1 } }), model)),
      'outputs.label.parameters.classification: expected a numeric output, got string',
    );
  });
});

describe('classification', () => {
  const classes = (
    data: NamedTensor['data'],
    datatype: NamedTensor['datatype'],
    shape: number[],
    k: number,
    more: object = {},
  ) => {
    const classified = modelView([], more);
    const { json } = parts(
      writeResponse(plan({ y: { classification: k } }), response(classified, [{ name: 'y', datatype, shape, data }])),
    );
    const {
      shape: written,
      datatype: type,
      data: texts,
    } = (json.outputs as { shape: number[]; datatype: string; data: string[] }[])[0]!;
    assert.equal(type, 'BYTES');
    return { shape: written, texts };
  };

  it('writes the best values with index and label', () => {
    const labels = ['cat', 'dog', 'cow'];
    assert.deepEqual(classes(Float32Array.of(0.1, 0.7, 0.2), 'float32', [1, 3], 2, { labels }), {
      shape: [2],
      texts: ['0.7:1:dog', '0.2:2:cow'],
    });
    assert.deepEqual(classes(Float32Array.of(0.1, 0.7, 0.2), 'float32', [1, 3], 2), {
      shape: [2],
      texts: ['0.7:1', '0.2:2'],
    });
  });

  it('takes each row of a batch by itself', () => {
    const data = BigInt64Array.of(1n, 2n ** 62n, 5n, -5n);
    assert.deepEqual(classes(data, 'int64', [2, 2], 1, { batchable: true }), {
      shape: [2, 1],
      texts: ['4611686018427387904:1', '5:0'],
    });
    assert.deepEqual(classes(new Float32Array(), 'float32', [0, 2], 1, { batchable: true }), {
      shape: [0, 0],
      texts: [],
    });
  });

  it('puts equal values by index and NaN last, and gives no more classes than there are', () => {
    const data = Float32Array.of(Number.NaN, 1, Infinity, 1, -Infinity);
    assert.deepEqual(classes(data, 'float32', [5], 9), {
      shape: [5],
      texts: ['Infinity:2', '1:1', '1:3', '-Infinity:4', 'NaN:0'],
    });
    assert.deepEqual(classes(Uint16Array.of(toFloat16Bits(-1), toFloat16Bits(0.5)), 'float16', [2], 1), {
      shape: [1],
      texts: ['0.5:1'],
    });
  });

  it('agrees with a full sort', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: -9, max: 9 }), { maxLength: 60 }),
        fc.integer({ min: 1, max: 70 }),
        (values, k) => {
          const sorted = values
            .map((value, index) => ({ value, index }))
            .sort((a, b) => b.value - a.value || a.index - b.index);
          const expected = sorted.slice(0, k).map(({ value, index }) => `${value}:${index}`);
          assert.deepEqual(classes(Int32Array.from(values), 'int32', [values.length], k).texts, expected);
        },
      ),
    );
  });
});
