/**
 * Trains a random forest on a CSV table and stores it where a server finds it.
 * Usage: node examples/own-model/train.ts <table.csv> <label column> <model folder> <model name>
 */
import { readFileSync } from 'node:fs';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import { parseCsv } from '../../src/training/csv.ts';
import { splitByClass, tableToDataset } from '../../src/training/dataset.ts';
import { forestAccuracy, trainForest } from '../../src/training/forest.ts';
import { forestToOnnx } from '../../src/training/forest-to-onnx.ts';
import { storeModel } from '../../src/training/store-model.ts';

const here = import.meta.dirname;
const [table = `${here}/machine-state.csv`, label = 'state', models = 'models', name = 'machine-state'] =
  process.argv.slice(2);

const random = seededRandom(1);
const dataset = tableToDataset(parseCsv(readFileSync(table, 'utf8')), label);
const { train, heldOut } = splitByClass(dataset, 0.25, random);
const forest = trainForest(train, { trees: 30 }, random);
const accuracy = forestAccuracy(forest, heldOut);

// The class names go into model.json, so that answers carry them.
await storeModel(models, name, '1', encodeModel(forestToOnnx(forest)), { classNames: dataset.classNames });

console.log(`features: ${dataset.featureNames.join(', ')}`);
console.log(`classes: ${dataset.classNames.join(', ')}`);
console.log(`right on held-out rows: ${Math.round(100 * accuracy)} % of ${heldOut.labels.length}`);
console.log(`stored: ${name}, version 1`);
