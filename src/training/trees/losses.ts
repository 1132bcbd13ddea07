/**
 * What boosting minimizes: losses with their first and second derivatives by the score. Called by boosting.ts once per round.
 * One output for numbers and for two classes, one per class for more.
 */
import type { ClassTarget, NumberTarget, Target } from '../matrix.ts';
import type { Gradients } from './boosted-tree.ts';

export interface Loss {
  /** Score of each output before the first round, exact in float32. */
  readonly base: readonly number[];
  /** Derivatives at these scores ([outputs][rows]), per output; valid until the next call. */
  gradients(scores: readonly Float64Array[]): (output: number) => Gradients;
  meanLoss(scores: readonly Float64Array[], rows: Int32Array): number;
}

/** @param rows whose targets decide the base */
export function makeLoss(target: Target, rows: Int32Array): Loss {
  if (target.task === 'regression') return squaredError(target, rows);
  return target.classCount === 2 ? logistic(target, rows) : softmax(target, rows);
}

function squaredError({ values }: NumberTarget, rows: Int32Array): Loss {
  const first = new Float64Array(values.length);
  const second = new Float64Array(values.length).fill(1);
  const mean = Math.fround(rows.reduce((sum, row) => sum + values[row]! / rows.length, 0));
  return {
    base: [mean],
    gradients: ([scores]) => {
      for (let row = 0; row < values.length; row++) first[row] = scores![row]! - values[row]!;
      return () => ({ first, second });
    },
    meanLoss: ([scores], of) => of.reduce((sum, row) => sum + (scores![row]! - values[row]!) ** 2, 0) / of.length,
  };
}

/** Classes seen once in a million rows or never start from there: a score must stay finite. */
const rarest = 1e-6;

function shareOf({ labels }: ClassTarget, label: number, rows: Int32Array): number {
  let count = 0;
  for (const row of rows) if (labels[row] === label) count++;
  return Math.min(1 - rarest, Math.max(rarest, count / rows.length));
}

function logistic(target: ClassTarget, rows: Int32Array): Loss {
  const { labels } = target;
  const first = new Float64Array(labels.length);
  const second = new Float64Array(labels.length);
  const share = shareOf(target, 1, rows);
  return {
    base: [Math.fround(Math.log(share / (1 - share)))],
    gradients: ([scores]) => {
      for (let row = 0; row < labels.length; row++) {
        const probability = 1 / (1 + Math.exp(-scores![row]!));
        first[row] = probability - labels[row]!;
        second[row] = Math.max(1e-12, probability * (1 - probability));
      }
      return () => ({ first, second });
    },
    meanLoss: ([scores], of) =>
      of.reduce((sum, row) => {
        const score = labels[row] === 1 ? scores![row]! : -scores![row]!;
        return sum + Math.max(0, -score) + Math.log1p(Math.exp(-Math.abs(score)));
      }, 0) / of.length,
  };
}

function softmax(target: ClassTarget, rows: Int32Array): Loss {
  const { labels, classCount } = target;
  const first = new Float64Array(labels.length);
  const second = new Float64Array(labels.length);
  // exp(score) of all classes and their sum stay as they were at the beginning of the round.
  const probabilities = Array.from({ length: classCount }, () => new Float64Array(labels.length));
  return {
    base: probabilities.map((_, label) => Math.fround(Math.log(shareOf(target, label, rows)))),
    gradients: (scores) => {
      fillProbabilities(scores, probabilities);
      return (output) => {
        const own = probabilities[output]!;
        for (let row = 0; row < labels.length; row++) {
          first[row] = own[row]! - (labels[row] === output ? 1 : 0);
          second[row] = Math.max(1e-12, 2 * own[row]! * (1 - own[row]!));
        }
        return { first, second };
      };
    },
    meanLoss: (scores, of) =>
      of.reduce((sum, row) => {
        let most = Number.NEGATIVE_INFINITY;
        for (const each of scores) most = Math.max(most, each[row]!);
        let total = 0;
        for (const each of scores) total += Math.exp(each[row]! - most);
        return sum + most + Math.log(total) - scores[labels[row]!]![row]!;
      }, 0) / of.length,
  };
}

function fillProbabilities(scores: readonly Float64Array[], probabilities: readonly Float64Array[]): void {
  const rows = scores[0]!.length;
  for (let row = 0; row < rows; row++) {
    let most = Number.NEGATIVE_INFINITY;
    for (const each of scores) most = Math.max(most, each[row]!);
    let total = 0;
    for (let label = 0; label < scores.length; label++) {
      const power = Math.exp(scores[label]![row]! - most);
      probabilities[label]![row] = power;
      total += power;
    }
    for (const each of probabilities) each[row]! /= total;
  }
}
