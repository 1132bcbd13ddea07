/** The sliding window of a Conv or pool with explicit paddings, whatever the node says it with. Called by their gradient rules. Pure. */
import type { Node } from '../../graph/node.ts';
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
  const pads = node.ints(
    'pads',
    [...kernel, ...kernel].map(() => 0),
  );
  const automatic = node.text('auto_pad', 'NOTSET');
  if (automatic === 'NOTSET' || automatic === 'VALID') {
    const explicit = automatic === 'VALID' ? pads.map(() => 0) : pads;
    const rank = kernel.length;
    return { kernel, strides, dilations, begins: explicit.slice(0, rank), ends: explicit.slice(rank), input, output };
  }
  const totals = kernel.map((size, axis) =>
    Math.max(0, (output[axis]! - 1) * strides[axis]! + (size - 1) * dilations[axis]! + 1 - input[axis]!),
  );
  const low = totals.map((total) => Math.floor(total / 2));
  const high = totals.map((total, axis) => total - low[axis]!);
  const upper = automatic === 'SAME_UPPER';
  return { kernel, strides, dilations, begins: upper ? low : high, ends: upper ? high : low, input, output };
}
