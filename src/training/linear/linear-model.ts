/**
 * What a linear model computes, in float64 as the exported graph does. Called by the trained models; trainers only find the weights.
 * Scores of classes are rounded to 2^-20, so that sums which differ in the last digit (another order of addition) are the same score.
 */
import type { Matrix } from '../matrix.ts';

export interface LinearWeights {
  /** [columns, outputs] row-major */
  readonly weights: Float64Array<ArrayBuffer>;
  readonly intercepts: Float64Array<ArrayBuffer>;
  readonly columns: number;
  readonly outputs: number;
}

export const scoreGrid = 2 ** 20;

/** [rows, outputs] */
export function linearScores({ weights, intercepts, columns, outputs }: LinearWeights, matrix: Matrix): Float64Array {
  const scores = new Float64Array(matrix.rows * outputs);
  for (let row = 0; row < matrix.rows; row++) {
    for (let output = 0; output < outputs; output++) {
      let sum = 0;
      for (let i = 0; i < columns; i++) sum += matrix.values[row * columns + i]! * weights[i * outputs + output]!;
      scores[row * outputs + output] = sum + intercepts[output]!;
    }
  }
  return scores;
}

/** To the nearest whole number, halves to the even one, as ONNX's Round. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

export function roundScore(score: number): number {
  return roundHalfEven(score * scoreGrid) / scoreGrid;
}
