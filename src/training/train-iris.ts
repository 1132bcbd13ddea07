/**
 * The model that a server without models starts with: a random forest on the Iris data shipped in data/iris.csv.
 * Called by the start-up path and the benchmarks, so it must stay well below 100 ms. Deterministic by seed.
 */
import { readFileSync } from 'node:fs';
import { seededRandom } from '../core/seeded-random.ts';
import { encodeModel } from '../onnx-file/encode.ts';
import { parseCsv } from './csv.ts';
import type { NamedDataset } from './dataset.ts';
import { splitByClass, tableToDataset } from './dataset.ts';
import type { Forest, ForestOptions } from './forest.ts';
import { forestAccuracy, trainForest } from './forest.ts';
import { forestToOnnx } from './forest-to-onnx.ts';

export interface IrisModel {
  /** The bytes of model.onnx: `features` float32 [batch, 4] -> `label` int64 [batch], `probabilities` float32 [batch, 3]. */
  readonly model: Uint8Array<ArrayBuffer>;
  readonly classNames: readonly string[];
  readonly featureNames: readonly string[];
  /** On the 36 rows (12 of each class) the forest was not trained on. */
  readonly heldOutAccuracy: number;
  readonly forest: Forest;
}

export interface TrainIrisOptions extends ForestOptions {
  /** @default 42 */
  readonly seed?: number;
}

/** @throws INVALID_INPUT for options out of range. */
export function trainIris(options: TrainIrisOptions = {}): IrisModel {
  const random = seededRandom(options.seed ?? 42);
  const dataset = readIris();
  const { train, heldOut } = splitByClass(dataset, 0.25, random);
  const forest = trainForest(train, options, random);
  return {
    model: encodeModel(forestToOnnx(forest)),
    classNames: dataset.classNames,
    featureNames: dataset.featureNames,
    heldOutAccuracy: forestAccuracy(forest, heldOut),
    forest,
  };
}

/** The 150 rows of data/iris.csv, which lies beside src/ and beside dist/ alike. */
export function readIris(): NamedDataset {
  const text = readFileSync(new URL('../../data/iris.csv', import.meta.url), 'utf8');
  return tableToDataset(parseCsv(text), 'species');
}
