import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pack } from 'msgpackr';
import { findMistake } from './answer-check.ts';
import type { Expectation } from './load-job.ts';

const nested: Expectation = { kind: 'json', path: ['outputs', 1], value: [0.25, -3, 1e6], tolerance: 1e-4 };

test('numbers agree within the tolerance, relative for large ones', () => {
  assert.equal(findMistake([nested], Buffer.from('{"outputs":[[7],[0.25005,-3.0002,1000050]]}')), undefined);
});

test('a number off by more than the tolerance is named with both values', () => {
  const mistake = findMistake([nested], Buffer.from('{"outputs":[[7],[0.2505,-3,1000000]]}'));
  assert.equal(mistake, 'outputs.1 is [0.2505,-3,1000000] instead of [0.25,-3,1000000]');
});

test('missing values, other lengths, other types and broken documents are mistakes', () => {
  for (const text of ['{}', '{"outputs":[[7],[0.25,-3]]}', '{"outputs":[[7],["0.25",-3,1000000]]}', '{"outputs":']) {
    assert.notEqual(findMistake([nested], Buffer.from(text)), undefined, text);
  }
});

test('every expectation of a request must hold', () => {
  const label: Expectation = { kind: 'json', path: ['prediction'], value: 2, tolerance: 0 };
  const probabilities: Expectation = { kind: 'json', path: ['probabilities'], value: [0, 1], tolerance: 0.1 };
  assert.equal(findMistake([label, probabilities], Buffer.from('{"prediction":2,"probabilities":[0,1]}')), undefined);
  assert.notEqual(
    findMistake([label, probabilities], Buffer.from('{"prediction":2,"probabilities":[1,0]}')),
    undefined,
  );
});

test('msgpack answers and raw floats are read in their own form', () => {
  const packed: Expectation = { kind: 'msgpack', path: ['prediction'], value: [0.5], tolerance: 1e-6 };
  assert.equal(findMistake([packed], pack({ prediction: [0.5] })), undefined);
  assert.notEqual(findMistake([packed], pack({ prediction: [0.6] })), undefined);
  const floats: Expectation = { kind: 'float32', values: Float32Array.of(1, 2), tolerance: 1e-6 };
  assert.equal(findMistake([floats], Buffer.from(Float32Array.of(1, 2).buffer)), undefined);
  assert.notEqual(findMistake([floats], Buffer.from(Float32Array.of(2, 1).buffer)), undefined);
  assert.notEqual(findMistake([floats], Buffer.from(Float32Array.of(1).buffer)), undefined);
});

test('floats may be asked for at the end of a body only where the expectation says so', () => {
  const body = Buffer.concat([Buffer.from('{}'), Buffer.from(Float32Array.of(1, 2).buffer)]);
  const whole: Expectation = { kind: 'float32', values: Float32Array.of(1, 2), tolerance: 1e-6 };
  assert.match(findMistake([whole], body) ?? '', /10 bytes instead of 8/);
  assert.equal(findMistake([{ ...whole, where: 'end' }], body), undefined);
  assert.match(findMistake([{ ...whole, where: 'end', values: Float32Array.of(1, 3) }], body) ?? '', /float 1 is 2/);
  assert.notEqual(findMistake([{ ...whole, where: 'end' }], body.subarray(0, 7)), undefined);
});
