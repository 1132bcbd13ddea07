/** How good predictions are. Called by the `train` command, by trials and importances. Pure; every figure is undefined-free for any rows > 0. */
import type { ClassPrediction, ClassTarget, NumberPrediction, NumberTarget, Prediction, Target } from '../matrix.ts';

export interface ClassMetrics {
  readonly accuracy: number;
  /** Mean of -log p of the true class; p counts as at least 1e-15. */
  readonly logLoss: number;
  /** Mean over the classes that occur of 2 tp / (2 tp + fp + fn). */
  readonly macroF1: number;
  /** Area under the ROC curve; two classes only, both present. */
  readonly auc?: number;
}

export interface NumberMetrics {
  readonly rmse: number;
  readonly mae: number;
  /** 1 less squared error over that of the mean of these rows; 0 where all targets are equal. */
  readonly r2: number;
}

export type Metrics = ClassMetrics | NumberMetrics;

export const metricNames = ['accuracy', 'logLoss', 'macroF1', 'auc', 'rmse', 'mae', 'r2'] as const;
export type MetricName = (typeof metricNames)[number];

const smallerIsBetter: ReadonlySet<MetricName> = new Set<MetricName>(['logLoss', 'rmse', 'mae']);

export function metricsFor(target: Target): readonly MetricName[] {
  if (target.task === 'regression') return ['rmse', 'mae', 'r2'];
  return target.classCount === 2 ? ['accuracy', 'logLoss', 'macroF1', 'auc'] : ['accuracy', 'logLoss', 'macroF1'];
}

/** The figure, turned so that more is better; -Infinity where it does not exist. */
export function goodness(metrics: Metrics, name: MetricName): number {
  const value = (metrics as Partial<Record<MetricName, number>>)[name];
  if (value === undefined) return Number.NEGATIVE_INFINITY;
  return smallerIsBetter.has(name) ? -value : value;
}

/** @throws TypeError when prediction and target are of different tasks: a bug. */
export function measure(prediction: Prediction, target: Target): Metrics {
  if (target.task === 'classification' && prediction.task === 'classification')
    return measureClasses(prediction, target);
  if (target.task === 'regression' && prediction.task === 'regression') return measureNumbers(prediction, target);
  throw new TypeError('prediction and target are of different tasks');
}

function measureClasses(prediction: ClassPrediction, target: ClassTarget): ClassMetrics {
  const { labels, classCount } = target;
  let right = 0;
  let logLoss = 0;
  for (let row = 0; row < labels.length; row++) {
    if (prediction.labels[row] === labels[row]) right++;
    logLoss -= Math.log(Math.max(1e-15, prediction.probabilities[row * classCount + labels[row]!]!)) / labels.length;
  }
  const auc = classCount === 2 ? areaUnderCurve(prediction, target) : undefined;
  const macroF1 = meanF1(confusionOf(prediction, target));
  return { accuracy: right / labels.length, logLoss, macroF1, ...(auc === undefined ? {} : { auc }) };
}

/** Rows by true class, columns by predicted class. */
export function confusionOf(prediction: ClassPrediction, { labels, classCount }: ClassTarget): number[][] {
  const counts = Array.from({ length: classCount }, () => new Array<number>(classCount).fill(0));
  for (let row = 0; row < labels.length; row++) counts[labels[row]!]![prediction.labels[row]!]! += 1;
  return counts;
}

function meanF1(confusion: readonly (readonly number[])[]): number {
  let sum = 0;
  let present = 0;
  for (const [label, row] of confusion.entries()) {
    const actual = row.reduce((total, count) => total + count, 0);
    if (actual === 0) continue;
    const predicted = confusion.reduce((total, other) => total + other[label]!, 0);
    sum += (2 * row[label]!) / (actual + predicted);
    present++;
  }
  return present === 0 ? 0 : sum / present;
}

/** The share of pairs (one of each class) that are in the right order, ties counting half (Mann-Whitney). */
function areaUnderCurve({ probabilities }: ClassPrediction, { labels }: ClassTarget): number | undefined {
  const order = Array.from(labels.keys()).sort((a, b) => probabilities[a * 2 + 1]! - probabilities[b * 2 + 1]!);
  let [positives, rankSum, start] = [0, 0, 0];
  for (let end = 1; end <= order.length; end++) {
    const score = probabilities[order[start]! * 2 + 1];
    if (end < order.length && probabilities[order[end]! * 2 + 1] === score) continue;
    const rank = (start + 1 + end) / 2;
    for (let i = start; i < end; i++) {
      if (labels[order[i]!] !== 1) continue;
      positives++;
      rankSum += rank;
    }
    start = end;
  }
  const negatives = labels.length - positives;
  if (positives === 0 || negatives === 0) return undefined;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

function measureNumbers({ values }: NumberPrediction, target: NumberTarget): NumberMetrics {
  const rows = target.values.length;
  const mean = target.values.reduce((sum, value) => sum + value / rows, 0);
  let [squares, absolute, spread] = [0, 0, 0];
  for (let row = 0; row < rows; row++) {
    const error = values[row]! - target.values[row]!;
    squares += error * error;
    absolute += Math.abs(error);
    spread += (target.values[row]! - mean) ** 2;
  }
  return { rmse: Math.sqrt(squares / rows), mae: absolute / rows, r2: spread > 0 ? 1 - squares / spread : 0 };
}

/** What one gets without looking at any column: the shares of the classes, or the mean, of the training rows. */
export function baselinePrediction(train: Target, rows: number): Prediction {
  if (train.task === 'regression') {
    const mean = train.values.reduce((sum, value) => sum + value / train.values.length, 0);
    return { task: 'regression', values: new Float32Array(rows).fill(mean) };
  }
  const shares = new Float64Array(train.classCount);
  for (const label of train.labels) shares[label]! += 1 / train.labels.length;
  const label = shares.indexOf(Math.max(...shares));
  const probabilities = Float32Array.from(
    { length: rows * train.classCount },
    (_, index) => shares[index % train.classCount]!,
  );
  return { task: 'classification', labels: new Int32Array(rows).fill(label), probabilities };
}
