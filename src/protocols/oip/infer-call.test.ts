import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answer, jsonCall, rawCall } from './infer-call.ts';
import { modelView, refusal, response } from './testing/oip-fixtures.ts';

const target = { model: 'm', version: 'stable' };
const limits = { maxDims: 8, maxInputs: 4 };
const nothing = new Uint8Array();
const spec = { name: 'x', datatype: 'int32', shape: [-1] } as const;
const model = modelView([spec], {
  outputs: [
    { ...spec, name: 'y' },
    { name: 'h', datatype: 'float16', shape: [1] },
  ],
});
const inputs = [{ name: 'x', shape: [2], datatype: 'INT32', data: [1, 2] }];

describe('OipCall', () => {
  it('asks the core for what the request says, and answers with it', () => {
    const parameters = { priority: 2, timeout: 5000, sequence_id: 9, sequence_start: true };
    const call = jsonCall({ id: 'i', parameters, inputs, outputs: [{ name: 'y' }] }, nothing, target, limits);
    assert.deepEqual(
      [call.model, call.version, call.outputs, call.priority, call.timeoutMs],
      ['m', 'stable', ['y'], 1, 5],
    );
    assert.deepEqual(call.sequence, { id: 9, start: true, end: false });
    assert.equal(call.view, undefined);
    const [x] = call.decode(model);
    assert.equal(call.view, model);
    assert.deepEqual(x, { datatype: 'int32', shape: [2], data: Int32Array.of(1, 2) });
    const { body } = answer(call, response(model, [{ name: 'y', ...x! }]));
    assert.equal(
      body,
      '{"model_name":"model","model_version":"1","id":"i","outputs":[{"name":"y","datatype":"INT32","shape":[2],"data":[1,2]}]}',
    );
  });

  it('refuses what could not be answered before the model runs', () => {
    const decoding = (outputs: object[]) =>
      refusal(() => jsonCall({ inputs, outputs }, nothing, target, limits).decode(model));
    assert.match(decoding([]).message, /^outputs\.h: FP16 has no JSON form/);
    assert.match(decoding([{ name: 'z' }]).message, /^The output "z" is unknown/);
    assert.equal(
      refusal(() => jsonCall({ inputs, parameters: { timeout: 'x' } }, nothing, target, limits)).code,
      'INVALID_INPUT',
    );
  });

  it('takes the body of a raw request as the one input', () => {
    const call = rawCall(Uint8Array.of(1, 0, 0, 0), target, limits);
    assert.equal(call.outputs, undefined);
    assert.deepEqual(call.decode(model), [{ datatype: 'int32', shape: [1], data: Int32Array.of(1) }]);
  });
});
