/**
 * Scenario 11: what quantization and pruning cost a model that was really trained: a perceptron of three layers of 512, trained here through
 * its own training-step graph, and judged on rows that neither training nor calibration saw.
 */
import { seededRandom } from '../../src/core/seeded-random.ts';
import { ProcessModelRunner } from '../../src/engines/onnx/model-runner.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import { mlpToOnnx } from '../../src/optimizer/finetune/mlp/mlp-model.ts';
import { trainMlp } from '../../src/optimizer/finetune/mlp/train-mlp.ts';
import type { OptimizeResult } from '../../src/optimizer/plan/result.ts';
import type { BenchContext } from '../context.ts';
import { optimizeForBench, variantOf, variantTable } from '../optimizing.ts';
import type { ScenarioResult, Target } from '../result.ts';

const width = 512;
const classes = 10;

export async function runAccuracy({ options }: BenchContext): Promise<ScenarioResult> {
  const random = seededRandom(7);
  const makeRows = measurements(random);
  const [train, judge] = [makeRows(options.quick ? 4000 : 12_000), makeRows(options.quick ? 1500 : 6000)];
  const startMs = performance.now();
  const { bytes, epochs } = await trainNet(train);
  const seconds = (performance.now() - startMs) / 1000;
  console.log(`  trained ${epochs} rounds in ${seconds.toFixed(1)} s`);
  const recipes = [
    'dynamic-int8',
    'static-int8',
    'pruned',
    'pruned-int8',
    'pruned-tuned',
    'pruned-tuned-int8',
    'trained-int8',
  ];
  const rows = { rows: judge.values, rowShape: [width], labels: judge.labels };
  const asked = { recipes, batchMs: options.quick ? 1000 : 5000 };
  const result = await optimizeForBench({ name: 'trained512', bytes, ...rows }, asked, async (found) => found);
  return {
    name: 'accuracy',
    title: 'Optimizer on a trained perceptron',
    method: [
      `512-512-512-512-10, trained by Hotpath on ${train.labels.length} rows: 512 noisy measurements of 24 hidden quantities, ten classes (${epochs} rounds, ${seconds.toFixed(1)} s); calibrated on 512 other rows and judged on ${result.data.heldOutRows} more.`,
    ],
    tables: [variantTable('MLP 512, trained', result)],
    targets: [
      lost('dynamic INT8', result, 'dynamic-int8', 0.5),
      lost('static INT8', result, 'static-int8', 0.5),
      lost('structured pruning of 50 % with repair', result, 'pruned', 2.5),
    ],
    data: result,
  };
}

interface LabelledRows {
  readonly values: Float32Array<ArrayBuffer>;
  readonly labels: Int32Array;
}

/**
 * 512 measurements of 24 hidden quantities, each through a bend of its own and with noise, as embeddings and sensors are; the class is what
 * a random network says of the hidden quantities, so that classes border on each other in no simple way.
 */
function measurements(random: () => number): (count: number) => LabelledRows {
  const [hidden, inner, noise] = [24, 48, 0.5];
  const matrix = (rows: number, columns: number): Float64Array =>
    Float64Array.from({ length: rows * columns }, () => normal(random) / Math.sqrt(rows));
  const [mix, first, last] = [matrix(hidden, width), matrix(hidden, inner), matrix(inner, classes)];
  return (count) => {
    const values = new Float32Array(count * width);
    const labels = new Int32Array(count);
    for (let row = 0; row < count; row++) {
      const quantities = Float64Array.from({ length: hidden }, () => normal(random));
      const seen = product(quantities, mix, width).map((value) => Math.tanh(1.5 * value) + noise * normal(random));
      values.set(seen, row * width);
      const scores = product(
        product(quantities, first, inner).map((value) => Math.max(0, value)),
        last,
        classes,
      );
      labels[row] = scores.indexOf(Math.max(...scores));
    }
    return { values, labels };
  };
}

function product(vector: Float64Array, matrix: Float64Array, columns: number): Float64Array {
  const result = new Float64Array(columns);
  for (const [row, value] of vector.entries()) {
    for (let column = 0; column < columns; column++) result[column]! += value * matrix[row * columns + column]!;
  }
  return result;
}

function normal(random: () => number): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

async function trainNet({ values, labels }: LabelledRows): Promise<{ bytes: Uint8Array; epochs: number }> {
  const runner = new ProcessModelRunner({ memoryBytes: 2 ** 32 });
  try {
    const { mlp, epochs } = await trainMlp(
      { values, rows: labels.length, columns: width },
      { task: 'classification', labels, classCount: classes },
      { hidden: [width, width, width], epochs: 30, patience: 3, batchSize: 256, learningRate: 0.001 },
      { runner, random: seededRandom(1), signal: undefined, onProgress: () => {} },
    );
    return { bytes: encodeModel(mlpToOnnx(mlp, { answers: 'logits' })), epochs };
  } finally {
    await runner.close();
  }
}

/** In points of the accuracy. */
function lost(what: string, result: OptimizeResult, id: string, target: number): Target {
  const accuracy = variantOf(result, id)?.difference?.labels?.accuracy;
  const measured = accuracy === undefined ? Number.NaN : 100 * (accuracy.original - accuracy.variant);
  return {
    what: `${what}: lost accuracy`,
    comparison: '<=',
    target,
    unit: 'points',
    measured,
    why: 'it was not built',
  };
}
