/** scikit-learn exports as they come: ZipMap outputs, string columns, several inputs of different types. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseCsv } from '../../src/training/csv.ts';
import { readIris } from '../../src/training/train-iris.ts';
import { withModels } from './support/dropped-models.ts';
import { fixture, withoutFixtures } from './support/fixtures.ts';
import { get, post } from './support/serve.ts';
import { postMsgpack } from './support/wire.ts';

const skip = withoutFixtures;
const folder = 'tabular/sklearn_docs_2022';

test('a forest whose probabilities end in ZipMap gives its labels, and says what it skips', { skip }, async () => {
  const { features, labels } = readIris();
  const instances = Array.from(labels, (_, row) => [...features.subarray(row * 4, row * 4 + 4)]);
  await withModels({ forest: `${folder}/rf_iris.onnx` }, async (server, urlOf) => {
    const { status, body } = await post(`${server.url}/api/v1/predict/batch`, { instances });
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.count, 150);
    const right = (body.predictions as number[]).filter((label, row) => label === labels[row]).length;
    assert.ok(right >= 144, `${right} of 150 right`);
    const { body: model } = await get(urlOf('forest'));
    assert.deepEqual(model.loaded.signature, {
      inputs: [{ name: 'float_input', datatype: 'float32', shape: [-1, 4] }],
      outputs: [{ name: 'output_label', datatype: 'int64', shape: [-1] }],
      skippedOutputs: ['output_probability'],
    });
    assert.match(model.loaded.notes.join(' '), /output_probability/);
    assert.equal(model.loaded.batching.enabled, true);
    const wanted = await post(`${urlOf('forest')}/predict`, {
      features: instances[0],
      outputs: ['output_probability'],
    });
    assert.deepEqual([wanted.status, wanted.body.error.code], [400, 'INVALID_INPUT']);
    assert.match(wanted.body.error.message, /no tensor/);
  });
});

test('a logistic regression on two columns tells setosa from virginica', { skip }, async () => {
  await withModels({ logreg: `${folder}/logreg_iris.onnx` }, async (server) => {
    const { body } = await post(`${server.url}/api/v1/predict/batch`, {
      instances: [
        [4.6, 3.6],
        [7.7, 2.6],
      ],
    });
    assert.deepEqual(body.predictions, [0, 2]);
  });
});

interface Passenger {
  readonly row: Record<string, string | number>;
  readonly survived: number;
}

/** Passengers whose columns are all there: the model's imputer is not what is tested. */
async function passengers(): Promise<Passenger[]> {
  const { header, rows } = parseCsv(await readFile(fixture('tabular/small_titanic.csv'), 'utf8'));
  const cell = (row: readonly string[], name: string): string => row[header.indexOf(name)]!;
  return rows
    .filter((row) => ['pclass', 'sex', 'age', 'fare', 'embarked'].every((name) => cell(row, name) !== ''))
    .map((row) => ({
      row: {
        pclass: Number(cell(row, 'pclass')),
        sex: cell(row, 'sex'),
        age: Number(cell(row, 'age')),
        fare: Number(cell(row, 'fare')),
        embarked: cell(row, 'embarked'),
      },
      survived: Number(cell(row, 'survived')),
    }));
}

test('the Titanic pipeline takes strings and numbers by name, alone, in batches and as MessagePack', {
  skip,
}, async () => {
  const people = await passengers();
  assert.ok(people.length >= 20);
  await withModels({ titanic: `${folder}/pipeline_titanic_nozipmap.onnx` }, async (server, urlOf) => {
    const instances = people.map(({ row }) => row);
    const { body: batch } = await post(`${server.url}/api/v1/predict/batch`, { instances });
    assert.equal(batch.count, people.length, JSON.stringify(batch));
    const right = people.filter(({ survived }, index) => batch.predictions[index] === survived).length;
    assert.ok(right / people.length > 0.65, `${right} of ${people.length} right`);
    for (const [index, row] of instances.slice(0, 5).entries()) {
      const { body } = await post(`${urlOf('titanic')}/predict`, { inputs: row });
      assert.equal(body.outputs.label.data[0], batch.predictions[index]);
      const [died, lived] = body.outputs.probabilities.data;
      assert.ok(Math.abs(died + lived - 1) < 1e-6);
      assert.ok(Math.abs(lived - batch.probabilities[index][1]) < 1e-5);
      const packed = await postMsgpack(`${urlOf('titanic')}/predict`, { features: row });
      assert.equal(packed.body.prediction, BigInt(batch.predictions[index]) as unknown, JSON.stringify(packed.status));
    }
  });
});

test('a wrong type in a named column is refused, naming the column', { skip }, async () => {
  await withModels({ titanic: `${folder}/pipeline_titanic_nozipmap.onnx` }, async (_, urlOf) => {
    const row = { pclass: 1, sex: 3, age: 29, fare: 211, embarked: 'S' };
    const { status, body } = await post(`${urlOf('titanic')}/predict`, { inputs: row });
    assert.deepEqual([status, body.error.code], [400, 'INVALID_INPUT']);
    assert.match(body.error.message, /inputs\.sex.*string/);
    const missing = await post(`${urlOf('titanic')}/predict`, { inputs: { ...row, sex: 'male', fare: undefined } });
    assert.deepEqual([missing.status, missing.body.error.details.field], [400, 'inputs.fare']);
  });
});

test('the parts of the pipeline answer one row of the right width per passenger', { skip }, async () => {
  const files = {
    numerical: `${folder}/pipeline_titanic_numerical.onnx`,
    textual: `${folder}/pipeline_titanic_textual.onnx`,
  };
  await withModels(files, async (server) => {
    const instances = [
      { pclass: '1', sex: 'female', age: 29, fare: 211.3375, embarked: 'S' },
      { pclass: '3', sex: 'male', age: 35, fare: 8.05, embarked: 'S' },
    ];
    const numerical = await post(`${server.url}/api/v1/predict/batch`, { model: 'numerical', instances });
    const [first, second] = numerical.body.predictions as [number[], number[]];
    // Scaled age and fare: both are a little under the mean age or over it, and the first fare is far above the mean.
    assert.ok(first[1]! > 3 && second[1]! < 0, JSON.stringify(numerical.body));
    assert.ok(first[0]! < second[0]!);
    const textual = await post(`${server.url}/api/v1/predict/batch`, { model: 'textual', instances });
    for (const row of textual.body.predictions as number[][]) {
      assert.equal(row.length, 9);
      // One-hot: one place each for port, sex and class.
      assert.equal(
        row.reduce((sum, value) => sum + value, 0),
        3,
      );
    }
  });
});

test('LightGBM in a pipeline tells the classes apart', { skip }, async () => {
  await withModels({ lightgbm: `${folder}/pipeline_lightgbm.onnx` }, async (server) => {
    const { body } = await post(`${server.url}/api/v1/predict/batch`, {
      instances: [
        [5.1, 3.5],
        [7.7, 2.6],
      ],
    });
    assert.deepEqual(body.predictions, [0, 2]);
  });
});
