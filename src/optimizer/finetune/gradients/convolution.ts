/**
 * Gradients of Conv: that of the input is a ConvTranspose, that of the weights a Conv of input and output gradient with batch and
 * channels exchanged and strides as dilations. Groups (depthwise too) stay groups. Two spatial dimensions or any other number.
 */
import { int, ints } from '../../../onnx-file/model.ts';
import type { Node } from '../../graph/node.ts';
import type { StepBuilder } from '../step-builder.ts';
import type { GradientRule } from './rule.ts';
import { type Window, windowOf } from './window.ts';

export const conv: GradientRule = (step, node, gradient, wants) => {
  const window = windowOf(step, node, step.shape(node.inputs[1]!).slice(2));
  const group = node.int('group', 1);
  if (wants(0)) step.addGradient(node.inputs[0]!, inputGradient(step, node, gradient, window, group));
  if (wants(1)) step.addGradient(node.inputs[1]!, weightGradient(step, node, gradient, window, group));
  if (wants(2)) {
    const axes = window.output.map((_, axis) => axis + 2);
    step.addGradient(node.inputs[2]!, step.sum(gradient, [0, ...axes]));
  }
};

function inputGradient(step: StepBuilder, node: Node, gradient: string, window: Window, group: number): string {
  const { kernel, strides, dilations, begins, ends, input, output } = window;
  const rest = input.map(
    (size, axis) =>
      size -
      ((output[axis]! - 1) * strides[axis]! + (kernel[axis]! - 1) * dilations[axis]! + 1 - begins[axis]! - ends[axis]!),
  );
  return step.op('ConvTranspose', [gradient, node.inputs[1]!], {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    dilations: ints(dilations),
    pads: ints([...begins, ...ends]),
    output_padding: ints(rest),
    group: int(group),
  });
}

function weightGradient(step: StepBuilder, node: Node, gradient: string, window: Window, group: number): string {
  const { kernel, strides, dilations, begins, input, output } = window;
  const images = swapBatch(step, node.inputs[0]!, step.shape(node.inputs[0]!), group, true);
  const errors = swapBatch(step, gradient, step.shape(node.outputs[0]!), group, false);
  // So much padding at the end that exactly the kernel comes out; where it would be negative, the surplus is cut off.
  const ends = input.map((size, axis) =>
    Math.max(
      0,
      (kernel[axis]! - 1) * dilations[axis]! + (output[axis]! - 1) * strides[axis]! + 1 - size - begins[axis]!,
    ),
  );
  const products = step.op('Conv', [images, errors], {
    kernel_shape: ints(output),
    strides: ints(dilations),
    dilations: ints(strides),
    pads: ints([...begins, ...ends]),
    group: int(group),
  });
  const axes = kernel.map((_, axis) => axis + 2);
  const zeros = step.integers(kernel.map(() => 0));
  const cut = step.op('Slice', [products, zeros, step.integers(kernel), step.integers(axes)]);
  return step.transpose(cut, [1, 0, ...axes]);
}

/** [N, C, ..] as [C/G, G*N, ..] (images) or as [C, N, ..] (errors). */
function swapBatch(step: StepBuilder, value: string, shape: readonly number[], group: number, images: boolean): string {
  const [batch, channels, ...space] = shape as [number, number, ...number[]];
  const axes = space.map((_, axis) => axis + 2);
  if (group === 1 || !images) return step.transpose(value, [1, 0, ...axes]);
  const parts = step.reshape(value, [batch, group, channels / group, ...space]);
  const swapped = step.transpose(parts, [2, 1, 0, ...axes.map((axis) => axis + 1)]);
  return step.reshape(swapped, [channels / group, group * batch, ...space]);
}
