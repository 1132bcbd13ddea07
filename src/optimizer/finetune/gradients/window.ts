/** The sliding window of a Conv or pool with explicit paddings, whatever the node says it with. Called by their gradient rules. Pure. */
import type { Node } from '../../graph/node.ts';
import { paddingOf } from '../../graph/padding.ts';
import type { StepBuilder } from '../step-builder.ts';

export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly begins: readonly number[];
  readonly ends: readonly number[];
  /** Spatial sizes. */
  readonly input: readonly number[];
  readonly output: readonly number[];
}

export function windowOf(step: StepBuilder, node: Node, kernel: readonly number[]): Window {
  const input = step.shape(node.inputs[0]!).slice(2);
  const output = step.shape(node.outputs[0]!).slice(2);
  const strides = node.ints(
    'strides',
    kernel.map(() => 1),
  );
  const dilations = node.ints(
    'dilations',
    kernel.map(() => 1),
  );
  const paddings = kernel.map((size, axis) => paddingOf(node, axis, size, input[axis]!));
  const [begins, ends] = [paddings.map(([before]) => before), paddings.map(([, after]) => after)];
  return { kernel, strides, dilations, begins, ends, input, output };
}
