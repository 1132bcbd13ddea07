/**
 * Gradients of pools. An average is spread by a transposed depthwise convolution of ones after division by the number of cells
 * that each window averaged; a maximum goes to the place that MaxPool itself names (ties as it decides them), windows that overlap
 * adding up. Exact for all paddings, strides and ceil_mode.
 */
import { int, ints, makeNode } from '../../../onnx-file/model.ts';
import type { Node } from '../../graph/node.ts';
import type { StepBuilder } from '../step-builder.ts';
import { countOf } from '../step-builder.ts';
import type { GradientRule } from './rule.ts';
import { type Window, windowOf } from './window.ts';

export const averagePool: GradientRule = (step, node, gradient, wants) => {
  if (!wants(0)) return;
  const window = windowOf(step, node, node.ints('kernel_shape', []));
  const channels = step.shape(node.inputs[0]!)[1]!;
  const shares = step.floats([1, 1, ...window.output], windowShares(window, node.int('count_include_pad', 0) === 1));
  const ones = step.floats(
    [channels, 1, ...window.kernel],
    new Float32Array(channels * countOf(window.kernel)).fill(1),
  );
  const { kernel, strides, dilations, begins, input, output } = window;
  // Explicit ends make the right size, also with ceil_mode, whose last window may hang over.
  const reach = input.map(
    (size, axis) =>
      (output[axis]! - 1) * strides[axis]! + (kernel[axis]! - 1) * dilations[axis]! + 1 - begins[axis]! - size,
  );
  const spread = step.op('ConvTranspose', [step.op('Mul', [gradient, shares]), ones], {
    kernel_shape: ints(kernel),
    strides: ints(strides),
    dilations: ints(dilations),
    pads: ints([...begins, ...reach.map((surplus) => Math.max(0, surplus))]),
    output_padding: ints(reach.map((surplus) => Math.max(0, -surplus))),
    group: int(channels),
  });
  step.addGradient(node.inputs[0]!, spread);
};

/** One over the number of cells, per window. Cells beyond the padding never count (ceil_mode). */
function windowShares(window: Window, includePads: boolean): Float32Array<ArrayBuffer> {
  const { input, output, kernel, strides, dilations, begins, ends } = window;
  const perAxis = output.map((count, axis) =>
    Array.from({ length: count }, (_, place) => {
      let cells = 0;
      for (let k = 0; k < kernel[axis]!; k++) {
        const at = place * strides[axis]! + k * dilations[axis]! - begins[axis]!;
        const [low, high] = includePads ? [-begins[axis]!, input[axis]! + ends[axis]!] : [0, input[axis]!];
        if (at >= low && at < high) cells++;
      }
      return cells;
    }),
  );
  const counts = perAxis.reduce((all, axis) => all.flatMap((count) => axis.map((cells) => count * cells)), [1]);
  return Float32Array.from(counts, (count) => 1 / Math.max(1, count));
}

export const globalAveragePool: GradientRule = (step, node, gradient, wants) => {
  if (!wants(0)) return;
  const shape = step.shape(node.inputs[0]!);
  const share = step.op('Mul', [gradient, step.scalar(1 / countOf(shape.slice(2)))]);
  step.addGradient(node.inputs[0]!, step.op('Expand', [share, step.integers(shape)]));
};

export const maxPool: GradientRule = (step, node, gradient, wants) => {
  if (!wants(0)) return;
  const x = node.inputs[0]!;
  const shape = step.shape(x);
  const size = countOf(shape);
  const zeros = step.op('ConstantOfShape', [step.integers([size])]);
  const flatGradient = step.reshape(gradient, [-1]);
  const places = step.reshape(placesOf(step, node), [-1]);
  const scattered = step.op('ScatterElements', [zeros, places, flatGradient], {
    axis: int(0),
    reduction: { type: 'string', value: 'add' },
  });
  step.addGradient(x, step.reshape(scattered, shape));
};

/** The forward node may have no second output: then one that has it runs beside it. */
function placesOf(step: StepBuilder, node: Node): string {
  const own = node.outputs[1] ?? '';
  if (own !== '') return own;
  const window = windowOf(step, node, node.ints('kernel_shape', []));
  const [values, places] = [step.graph.freshName('step_maxima'), step.graph.freshName('step_places')];
  const attributes = {
    kernel_shape: ints(window.kernel),
    strides: ints(window.strides),
    dilations: ints(window.dilations),
    pads: ints([...window.begins, ...window.ends]),
    ceil_mode: int(node.int('ceil_mode', 0)),
  };
  step.graph.append(makeNode('MaxPool', [node.inputs[0]!], [values, places], attributes));
  return places;
}
