import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NamedTensor } from '../core/tensor.ts';
import type { ModelView } from '../core/types.ts';
import { interpretTabular } from './tabular.ts';

function model(labels?: readonly string[]): ModelView {
  const signature = { inputs: [], outputs: [], skippedOutputs: [] };
  return { name: 'm', version: '1', signature, batchable: true, labels, nan: 'reject' };
}

const floats = (name: string, shape: number[], data: number[]): NamedTensor => ({
  name,
  datatype: 'float32',
  shape,
  data: Float32Array.from(data),
});

const label: NamedTensor = { name: 'label', datatype: 'int64', shape: [2], data: BigInt64Array.of(2n, 0n) };
const probabilities = floats('probabilities', [2, 3], [0.1, 0.2, 0.7, 0.8, 0.1, 0.1]);

test('a classifier predicts its label and brings its probabilities, in whichever order they come', () => {
  for (const outputs of [
    [label, probabilities],
    [probabilities, label],
  ]) {
    const meaning = interpretTabular(model(['a', 'b', 'c']), outputs, 2);
    assert.equal(meaning.prediction, label);
    assert.equal(meaning.probabilities, probabilities);
    assert.deepEqual(meaning.labels, ['c', 'a']);
  }
});

test('a column of labels [rows, 1] is a label too; class names only where the model has them', () => {
  const column: NamedTensor = { ...label, shape: [2, 1] };
  const meaning = interpretTabular(model(), [column], 2);
  assert.equal(meaning.prediction, column);
  assert.equal(meaning.labels, undefined);
});

test('labels that are text are names already', () => {
  const names: NamedTensor = { name: 'label', datatype: 'string', shape: [2], data: ['yes', 'no'] };
  const meaning = interpretTabular(model(['a', 'b']), [names, floats('p', [2, 2], [1, 0, 0, 1])], 2);
  assert.equal(meaning.prediction, names);
  assert.equal(meaning.labels, undefined);
  assert.equal(meaning.probabilities?.name, 'p');
});

test('scores without a label predict themselves and name their greatest', () => {
  const meaning = interpretTabular(model(['a', 'b', 'c']), [probabilities], 2);
  assert.equal(meaning.prediction, probabilities);
  assert.equal(meaning.probabilities, undefined);
  assert.deepEqual(meaning.labels, ['c', 'a']);
});

test('a regression has no class, even with class names about', () => {
  const value = floats('variable', [2, 1], [0, 1]);
  assert.deepEqual(interpretTabular(model(['a', 'b']), [value], 2), {
    prediction: value,
    probabilities: undefined,
    labels: undefined,
  });
});

test('a label beyond the class names has none', () => {
  assert.deepEqual(interpretTabular(model(['only']), [label], 2).labels, [undefined, 'only']);
});

test('an output whose first axis is not the rows is the prediction as a whole', () => {
  const boxes = floats('boxes', [5, 4], Array(20).fill(0));
  const counts: NamedTensor = { name: 'counts', datatype: 'int64', shape: [7], data: new BigInt64Array(7) };
  assert.equal(interpretTabular(model(), [boxes, counts], 1).prediction, boxes);
});
