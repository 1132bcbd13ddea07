/** Logistic regression (two classes, one score) and softmax regression (more, a score each), with an L2 penalty. Called by train-model.ts. */
import type { ClassTarget, Matrix, OnProgress } from '../matrix.ts';
import { checkTraining } from '../matrix.ts';
import { numberOption, wholeOption } from '../options.ts';
import type { Evaluation } from './lbfgs.ts';
import { minimize } from './lbfgs.ts';
import type { FittedLinear } from './ridge.ts';

export interface LogisticOptions {
  /** Penalty on half the squared weights, against the summed loss; not on intercepts. @default 1 */
  readonly l2?: number;
  /** @default 500 */
  readonly maxIterations?: number;
}

/** @throws INVALID_INPUT for options out of range and for data nothing can be learned from. */
export function trainLogistic(
  matrix: Matrix,
  target: ClassTarget,
  options: LogisticOptions = {},
  onProgress?: OnProgress,
): FittedLinear {
  checkTraining(matrix, target);
  const l2 = numberOption('l2', options.l2 ?? 1, 1e-9, 1e12);
  const maxIterations = wholeOption('maxIterations', options.maxIterations ?? 500, 1, 100_000);
  const { columns } = matrix;
  const outputs = target.classCount === 2 ? 1 : target.classCount;
  const found = minimize((x) => evaluate(x, matrix, target, outputs, l2), {
    start: new Float64Array((columns + 1) * outputs),
    maxIterations,
    tolerance: 1e-6 * matrix.rows,
    onProgress,
  });
  const notes = [
    found.converged
      ? `Converged in ${found.iterations} iterations.`
      : `Not converged after ${found.iterations} iterations: scale the columns or raise l2.`,
  ];
  const weights = found.x.slice(0, columns * outputs);
  return { weights: { weights, intercepts: found.x.slice(columns * outputs), columns, outputs }, notes };
}

/** @param x weights [columns, outputs], then intercepts */
function evaluate(x: Float64Array, matrix: Matrix, target: ClassTarget, outputs: number, l2: number): Evaluation {
  const { rows, columns, values } = matrix;
  const gradient = new Float64Array(x.length);
  const scores = new Float64Array(outputs);
  const intercepts = columns * outputs;
  let value = 0;
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    for (let k = 0; k < outputs; k++) scores[k] = x[intercepts + k]!;
    for (let i = 0; i < columns; i++) {
      const feature = values[start + i]!;
      if (feature !== 0) for (let k = 0; k < outputs; k++) scores[k]! += feature * x[i * outputs + k]!;
    }
    value += outputs === 1 ? logisticStep(scores, target.labels[row]!) : softmaxStep(scores, target.labels[row]!);
    for (let i = 0; i < columns; i++) {
      const feature = values[start + i]!;
      if (feature !== 0) for (let k = 0; k < outputs; k++) gradient[i * outputs + k]! += feature * scores[k]!;
    }
    for (let k = 0; k < outputs; k++) gradient[intercepts + k]! += scores[k]!;
  }
  for (let i = 0; i < intercepts; i++) {
    value += 0.5 * l2 * x[i]! * x[i]!;
    gradient[i]! += l2 * x[i]!;
  }
  return { value, gradient };
}

/** Turns the score into the derivative of the loss, and returns the loss. */
function logisticStep(scores: Float64Array, label: number): number {
  const score = scores[0]!;
  const own = label === 1 ? score : -score;
  scores[0] = 1 / (1 + Math.exp(-score)) - label;
  return Math.max(0, -own) + Math.log1p(Math.exp(-Math.abs(own)));
}

function softmaxStep(scores: Float64Array, label: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (const score of scores) most = Math.max(most, score);
  const own = scores[label]! - most;
  let total = 0;
  for (let k = 0; k < scores.length; k++) total += scores[k] = Math.exp(scores[k]! - most);
  for (let k = 0; k < scores.length; k++) scores[k] = scores[k]! / total - (k === label ? 1 : 0);
  return Math.log(total) - own;
}
