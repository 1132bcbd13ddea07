/** Gradients of operators that only move elements, and of those that reduce along axes: Softmax, LogSoftmax, ReduceMean. */
import type { Node } from '../../graph/node.ts';
import type { StepBuilder } from '../step-builder.ts';
import { countOf } from '../step-builder.ts';
import type { GradientRule } from './rule.ts';

/** Flatten, Reshape, Squeeze, Unsqueeze, Identity, Dropout as in use. */
export const reshape: GradientRule = (step, node, gradient, wants) => {
  if (wants(0)) step.addGradient(node.inputs[0]!, step.reshape(gradient, step.shape(node.inputs[0]!)));
};

export const transpose: GradientRule = (step, node, gradient, wants) => {
  if (!wants(0)) return;
  const axes = step.shape(node.inputs[0]!).map((_, axis) => axis);
  const permutation = node.ints('perm', axes.toReversed());
  const inverse = axes.map((axis) => permutation.indexOf(axis));
  step.addGradient(node.inputs[0]!, step.transpose(gradient, inverse));
};

export const concat: GradientRule = (step, node, gradient, wants) => {
  const axis = axisOf(step, node, node.int('axis', 0));
  let start = 0;
  for (const [index, input] of node.inputs.entries()) {
    const end = start + step.shape(input)[axis]!;
    if (wants(index)) {
      const [from, to, along] = [start, end, axis].map((value) => step.integers([value])) as [string, string, string];
      step.addGradient(input, step.op('Slice', [gradient, from, to, along]));
    }
    start = end;
  }
};

/** y * (dy - sum(dy * y)) */
export const softmax: GradientRule = (step, node, gradient, wants) => {
  if (!wants(0)) return;
  const y = node.outputs[0]!;
  const axis = axisOf(step, node, node.int('axis', -1));
  const mean = step.sum(step.op('Mul', [gradient, y]), [axis], true);
  step.addGradient(node.inputs[0]!, step.op('Mul', [y, step.op('Sub', [gradient, mean])]));
};

/** dy - exp(y) * sum(dy) */
export const logSoftmax: GradientRule = (step, node, gradient, wants) => {
  if (!wants(0)) return;
  const axis = axisOf(step, node, node.int('axis', -1));
  const share = step.op('Mul', [step.op('Exp', [node.outputs[0]!]), step.sum(gradient, [axis], true)]);
  step.addGradient(node.inputs[0]!, step.op('Sub', [gradient, share]));
};

export const reduceMean: GradientRule = (step, node, gradient, wants) => {
  if (!wants(0)) return;
  const shape = step.shape(node.inputs[0]!);
  const given = node.ints('axes') ?? step.integersOf(node, 1) ?? shape.map((_, axis) => axis);
  const axes = new Set(given.map((axis) => (axis < 0 ? axis + shape.length : axis)));
  const kept = shape.map((size, axis) => (axes.has(axis) ? 1 : size));
  const share = step.op('Mul', [step.reshape(gradient, kept), step.scalar(countOf(kept) / countOf(shape))]);
  step.addGradient(node.inputs[0]!, step.op('Expand', [share, step.integers(shape)]));
};

function axisOf(step: StepBuilder, node: Node, axis: number): number {
  return axis < 0 ? axis + step.shape(node.outputs[0]!).length : axis;
}
