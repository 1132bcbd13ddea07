/** Gradients of Gemm and MatMul. */
import { invalidInput } from '../../../core/errors.ts';
import { float, int } from '../../../onnx-file/model.ts';
import { describeNode } from '../../graph/node.ts';
import type { StepBuilder } from '../step-builder.ts';
import type { GradientRule } from './rule.ts';

export const gemm: GradientRule = (step, node, gradient, wants) => {
  const [a, b, c] = node.inputs as [string, string, string | undefined];
  const [transA, transB] = [node.int('transA', 0), node.int('transB', 0)];
  const alpha = float(node.float('alpha', 1));
  if (wants(0)) {
    const share =
      transA === 0
        ? step.op('Gemm', [gradient, b], { transB: int(1 - transB), alpha })
        : step.op('Gemm', [b, gradient], { transA: int(transB), transB: int(1), alpha });
    step.addGradient(a, share);
  }
  if (wants(1)) {
    const share =
      transB === 0
        ? step.op('Gemm', [a, gradient], { transA: int(1 - transA), alpha })
        : step.op('Gemm', [gradient, a], { transA: int(1), transB: int(transA), alpha });
    step.addGradient(b, share);
  }
  if (wants(2)) {
    const summed = step.sumTo(gradient, step.shape(node.outputs[0]!), step.shape(c!));
    const beta = node.float('beta', 1);
    step.addGradient(c!, beta === 1 ? summed : step.op('Mul', [summed, step.scalar(beta)]));
  }
};

export const matMul: GradientRule = (step, node, gradient, wants) => {
  const [a, b] = node.inputs as [string, string];
  const [shapeA, shapeB] = [step.shape(a), step.shape(b)];
  if (shapeA.length < 2 || shapeB.length < 2) {
    throw invalidInput(node.name, `Training cannot differentiate ${describeNode(node)} with a vector.`);
  }
  if (wants(0)) {
    const share = step.op('MatMul', [gradient, turned(step, b, shapeB)]);
    step.addGradient(a, step.sumTo(share, productShape(shapeA, shapeB, shapeA), shapeA));
  }
  if (!wants(1)) return;
  if (shapeB.length === 2) step.addGradient(b, flatProduct(step, a, gradient, shapeA, shapeB));
  else {
    const share = step.op('MatMul', [turned(step, a, shapeA), gradient]);
    step.addGradient(b, step.sumTo(share, productShape(shapeA, shapeB, shapeB), shapeB));
  }
};

/** For weights, all rows at once. */
function flatProduct(
  step: StepBuilder,
  a: string,
  gradient: string,
  shapeA: readonly number[],
  shapeB: readonly number[],
): string {
  const [rowsA, rowsGradient] =
    shapeA.length === 2 ? [a, gradient] : [step.reshape(a, [-1, shapeB[0]!]), step.reshape(gradient, [-1, shapeB[1]!])];
  return step.op('Gemm', [rowsA, rowsGradient], { transA: int(1) });
}

function turned(step: StepBuilder, value: string, shape: readonly number[]): string {
  const axes = shape.map((_, axis) => axis);
  const last = axes.length - 1;
  return step.transpose(value, [...axes.slice(0, -2), last, last - 1]);
}

/** The shape of a product of gradients: the broadcast batch axes, and the last two of `matrix`. */
function productShape(a: readonly number[], b: readonly number[], matrix: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  const at = (shape: readonly number[], axis: number): number => shape[axis - (rank - shape.length)] ?? 1;
  const batch = Array.from({ length: rank - 2 }, (_, axis) => Math.max(at(a, axis), at(b, axis)));
  return [...batch, ...matrix.slice(-2)];
}
