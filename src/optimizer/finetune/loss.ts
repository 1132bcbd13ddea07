/**
 * Losses of a training step and their gradients by the model's output. Called by step-graph.ts. Targets have the output's shape:
 * one-hot rows or the probabilities of a teacher for cross-entropy, values for the squared error.
 */
import { int } from '../../onnx-file/model.ts';
import type { StepBuilder } from './step-builder.ts';
import { countOf } from './step-builder.ts';

export type Loss = 'cross-entropy' | 'mse';

export interface LossValues {
  /** Scalar: the mean over rows (cross-entropy) or elements (mse). */
  readonly loss: string;
  readonly gradient: string;
}

/** @param value logits along the last axis for cross-entropy */
export function appendLoss(step: StepBuilder, kind: Loss, value: string, targets: string): LossValues {
  return kind === 'mse' ? squaredError(step, value, targets) : crossEntropy(step, value, targets);
}

function squaredError(step: StepBuilder, value: string, targets: string): LossValues {
  const difference = step.op('Sub', [value, targets]);
  const loss = step.op('ReduceMean', [step.op('Mul', [difference, difference])], { keepdims: int(0) });
  const gradient = step.op('Mul', [difference, step.scalar(2 / countOf(step.shape(value)))]);
  return { loss, gradient };
}

/** -sum(targets * log softmax(logits)); targets sum up to 1 along the last axis. */
function crossEntropy(step: StepBuilder, logits: string, targets: string): LossValues {
  const shape = step.shape(logits);
  const perRow = step.scalar(1 / countOf(shape.slice(0, -1)));
  const logProbabilities = step.op('LogSoftmax', [logits], { axis: int(-1) });
  const total = step.op('ReduceSum', [step.op('Mul', [targets, logProbabilities])], { keepdims: int(0) });
  const loss = step.op('Neg', [step.op('Mul', [total, perRow])]);
  const error = step.op('Sub', [step.op('Exp', [logProbabilities]), targets]);
  return { loss, gradient: step.op('Mul', [error, perRow]) };
}
