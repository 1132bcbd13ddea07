/**
 * One step of Adam (Kingma and Ba 2015) with decoupled weight decay (Loshchilov and Hutter 2019) as nodes. Called by step-graph.ts.
 * The correction of the bias lies in the step size, which the training loop gives: `correctedRate`.
 */
import type { StepBuilder } from './step-builder.ts';

const beta1 = 0.9;
const beta2 = 0.999;
const epsilon = 1e-8;

export interface AdamState {
  readonly weight: string;
  /** Running means of the gradient and of its square. */
  readonly mean: string;
  readonly square: string;
}

/** @param rate scalar input, see `correctedRate` @param decay scalar input: share of the weight taken off per step */
export function appendAdam(
  step: StepBuilder,
  state: AdamState,
  gradient: string,
  rate: string,
  decay: string | undefined,
): AdamState {
  const mean = average(step, state.mean, gradient, beta1);
  const square = average(step, state.square, step.op('Mul', [gradient, gradient]), beta2);
  const size = step.op('Add', [step.op('Sqrt', [square]), step.scalar(epsilon)]);
  const move = step.op('Div', [step.op('Mul', [mean, rate]), size]);
  const moved = step.op('Sub', [state.weight, move]);
  const weight = decay === undefined ? moved : step.op('Sub', [moved, step.op('Mul', [state.weight, decay])]);
  return { weight, mean, square };
}

function average(step: StepBuilder, old: string, fresh: string, beta: number): string {
  return step.op('Add', [step.op('Mul', [old, step.scalar(beta)]), step.op('Mul', [fresh, step.scalar(1 - beta)])]);
}

/** @param count number of this step, from 1 */
export function correctedRate(rate: number, count: number): number {
  return (rate * Math.sqrt(1 - beta2 ** count)) / (1 - beta1 ** count);
}
