import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readSchedule, readSequence } from './parameters.ts';
import { refusal } from './testing/oip-fixtures.ts';

describe('readSchedule', () => {
  it('maps priority 1, 2, 3 and more to ours, and 0 to the default', () => {
    const mapped = [0, 1, 2, 3, 4, 5, 2 ** 40, 1n].map((priority) => readSchedule({ priority }).priority);
    assert.deepEqual(mapped, [undefined, 0, 1, 2, 3, 3, 3, 0]);
    assert.deepEqual(readSchedule(undefined), { priority: undefined, timeoutMs: undefined });
  });

  it('turns microseconds into milliseconds, 0 into none, and cuts at an hour', () => {
    const mapped = [0, 1, 1500, 10n ** 18n].map((timeout) => readSchedule({ timeout }).timeoutMs);
    assert.deepEqual(mapped, [undefined, 0.001, 1.5, 3_600_000]);
  });

  it('names a parameter of the wrong type, and reserved keys', () => {
    const said = (parameters: Record<string, string | number | boolean>) =>
      refusal(() => readSchedule(parameters)).message;
    assert.equal(said({ priority: '1' }), 'parameters.priority: expected an integer from 0 on, got string "1"');
    assert.equal(said({ priority: -1 }), 'parameters.priority: expected an integer from 0 on, got number -1');
    assert.equal(said({ timeout: 0.5 }), 'parameters.timeout: expected an integer from 0 on, got number 0.5');
    assert.equal(said({ timeout: true }), 'parameters.timeout: expected an integer from 0 on, got boolean true');
    assert.match(said({ triton_final_response: true }), /^parameters\.triton_final_response: .* which are reserved/);
  });

  it('lets the parameters of the model pass', () => {
    const parameters = {
      temperature: 0.7,
      prompt: 'x',
      stream: false,
      triton_enable_empty_final_response: true,
      __proto__: 'y',
    };
    assert.deepEqual(readSchedule(parameters), { priority: undefined, timeoutMs: undefined });
  });
});

describe('readSequence', () => {
  it('is undefined without a sequence, and has the flags of one', () => {
    for (const parameters of [undefined, {}, { sequence_id: 0 }, { sequence_id: 0n }, { sequence_id: '' }]) {
      assert.equal(readSequence(parameters), undefined);
    }
    assert.deepEqual(readSequence({ sequence_id: 7, sequence_start: true }), { id: 7, start: true, end: false });
    assert.deepEqual(readSequence({ sequence_id: 'a', sequence_end: true }), { id: 'a', start: false, end: true });
  });

  it('names wrong types', () => {
    assert.match(
      refusal(() => readSequence({ sequence_id: true })).message,
      /^parameters\.sequence_id: expected an integer or a string/,
    );
    assert.match(
      refusal(() => readSequence({ sequence_id: 1.5 })).message,
      /^parameters\.sequence_id: expected an integer/,
    );
    assert.match(
      refusal(() => readSequence({ sequence_id: 1, sequence_start: 1 })).message,
      /^parameters\.sequence_start: expected true or false/,
    );
  });
});
