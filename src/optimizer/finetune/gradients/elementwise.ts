/** Gradients of operators that work element by element, with broadcasting where they take two values. */
import { invalidInput } from '../../../core/errors.ts';
import { describeNode, type Node } from '../../graph/node.ts';
import { fakeRoundPrefix } from '../fake-quantize.ts';
import type { StepBuilder } from '../step-builder.ts';
import type { GradientRule } from './rule.ts';

type TwoValues = (step: StepBuilder, node: Node, gradient: string, index: number) => string;

function broadcast(share: TwoValues): GradientRule {
  return (step, node, gradient, wants) => {
    for (const index of [0, 1]) {
      if (!wants(index)) continue;
      const value = share(step, node, gradient, index);
      const input = node.inputs[index]!;
      step.addGradient(input, step.sumTo(value, step.shape(node.outputs[0]!), step.shape(input)));
    }
  };
}

export const add = broadcast((_, __, gradient) => gradient);
export const sub = broadcast((step, _, gradient, index) => (index === 0 ? gradient : step.op('Neg', [gradient])));
export const mul = broadcast((step, node, gradient, index) => step.op('Mul', [gradient, node.inputs[1 - index]!]));
export const div = broadcast((step, node, gradient, index) => {
  const share = step.op('Div', [gradient, node.inputs[1]!]);
  return index === 0 ? share : step.op('Neg', [step.op('Mul', [share, node.outputs[0]!])]);
});

type OneValue = (step: StepBuilder, node: Node, gradient: string) => string;

function unary(share: OneValue): GradientRule {
  return (step, node, gradient, wants) => {
    if (wants(0)) step.addGradient(node.inputs[0]!, share(step, node, gradient));
  };
}

/** The output is 0 or more, so its sign is the slope. */
export const relu = unary((step, node, gradient) => step.op('Mul', [gradient, step.op('Sign', [node.outputs[0]!])]));

export const leakyRelu = unary((step, node, gradient) => {
  const slope = step.scalar(node.float('alpha', 0.01));
  const rises = step.op('Greater', [node.inputs[0]!, step.scalar(0)]);
  return step.op('Where', [rises, gradient, step.op('Mul', [gradient, slope])]);
});

export const sigmoid = unary((step, node, gradient) => {
  const y = node.outputs[0]!;
  return step.op('Mul', [gradient, step.op('Mul', [y, step.op('Sub', [step.scalar(1), y])])]);
});

export const tanh = unary((step, node, gradient) => {
  const y = node.outputs[0]!;
  return step.op('Mul', [gradient, step.op('Sub', [step.scalar(1), step.op('Mul', [y, y])])]);
});

/** 2 / sqrt(pi) * exp(-x^2) */
export const erf = unary((step, node, gradient) => {
  const x = node.inputs[0]!;
  const bell = step.op('Exp', [step.op('Neg', [step.op('Mul', [x, x])])]);
  return step.op('Mul', [gradient, step.op('Mul', [bell, step.scalar(2 / Math.sqrt(Math.PI))])]);
});

export const clip: GradientRule = (step, node, gradient, wants) => {
  if (!wants(0)) return;
  const x = node.inputs[0]!;
  let share = gradient;
  const zero = step.scalar(0);
  for (const [limit, beyond] of [
    [limitOf(step, node, 1, 'min'), 'Less'],
    [limitOf(step, node, 2, 'max'), 'Greater'],
  ] as const) {
    if (limit !== undefined) share = step.op('Where', [step.op(beyond, [x, step.scalar(limit)]), zero, share]);
  }
  step.addGradient(x, share);
};

/** An input since opset 11, an attribute before. */
function limitOf(step: StepBuilder, node: Node, index: number, attribute: string): number | undefined {
  const input = node.inputs[index] ?? '';
  if (input === '') return node.float(attribute);
  if (step.graph.constantOf(input) === undefined) {
    throw invalidInput(node.name, `Training needs the limits of ${describeNode(node)} to be constants.`);
  }
  return step.graph.floats(input)[0];
}

/** Straight through, for the rounding of quantization-aware training only: true rounding has no slope to follow. */
export const round: GradientRule = (step, node, gradient, wants) => {
  if (!node.outputs[0]!.startsWith(fakeRoundPrefix)) {
    throw invalidInput(node.name, `Training cannot differentiate ${describeNode(node)}.`);
  }
  if (wants(0)) step.addGradient(node.inputs[0]!, gradient);
};

/** As in use, not as in training: mean and variance stay. */
export const batchNormalization: GradientRule = (step, node, gradient, wants) => {
  if (!wants(0)) return;
  const [x, scale, , , variance] = node.inputs as [string, string, string, string, string];
  const deviation = step.op('Sqrt', [step.op('Add', [variance, step.scalar(node.float('epsilon', 1e-5))])]);
  const perChannel = step.shape(x).map((_, axis) => (axis === 1 ? -1 : 1));
  const slopes = step.reshape(step.op('Div', [scale, deviation]), perChannel);
  step.addGradient(x, step.op('Mul', [gradient, slopes]));
};
