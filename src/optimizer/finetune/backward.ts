/**
 * Walks the forward nodes from the loss back to what is trained, and appends the gradients. Called by step-graph.ts. A node that
 * cannot be differentiated stops the way: what lies behind it is not trained, and is reported; a sum that lacks a share is never used.
 */
import { HotpathError } from '../../core/errors.ts';
import { describeNode, type Node } from '../graph/node.ts';
import { gradientRules } from './gradients/table.ts';
import type { StepBuilder } from './step-builder.ts';

export interface Backward {
  /** Gradient by trained value. */
  readonly gradients: ReadonlyMap<string, string>;
  /** Nodes that no gradient passes. */
  readonly blockedBy: readonly Node[];
}

/**
 * @param forward nodes in topological order, without those of the loss
 * @param start value whose gradient is known, with that gradient
 * @throws INVALID_INPUT for an operator in a form that has no rule
 */
export function differentiate(
  step: StepBuilder,
  forward: readonly Node[],
  start: { readonly value: string; readonly gradient: string },
  trained: ReadonlySet<string>,
): Backward {
  const changing = dependentValues(forward, trained);
  const blocked = new Set<string>();
  const blockedBy: Node[] = [];
  step.addGradient(start.value, start.gradient);
  for (const node of forward.toReversed()) {
    const isBlocked = node.outputs.some((output) => blocked.has(output));
    const gradient = step.gradientOf(node.outputs[0] ?? '');
    if (!node.inputs.some((input) => changing.has(input)) || (gradient === undefined && !isBlocked)) continue;
    const rule = gradientRules[node.domain === '' ? node.opType : ''];
    if (isBlocked || rule === undefined || node.bodies.uses.size > 0) {
      if (rule === undefined) blockedBy.push(node);
      for (const input of node.inputs) blocked.add(input);
    } else rule(step, node, gradient!, (index) => changing.has(node.inputs[index] ?? ''));
  }
  const gradients = new Map<string, string>();
  for (const value of trained) {
    const gradient = step.gradientOf(value);
    if (gradient !== undefined && !blocked.has(value)) gradients.set(value, gradient);
  }
  if (gradients.size === 0) throw nothingToTrain(blockedBy);
  return { gradients, blockedBy };
}

function dependentValues(forward: readonly Node[], trained: ReadonlySet<string>): ReadonlySet<string> {
  const changing = new Set(trained);
  for (const node of forward) {
    if (!node.inputs.some((input) => changing.has(input))) continue;
    for (const output of node.outputs) if (output !== '') changing.add(output);
  }
  return changing;
}

function nothingToTrain(blockedBy: readonly Node[]): HotpathError {
  const [first] = blockedBy;
  const reason =
    first === undefined ? 'it has no weights before this output' : `${describeNode(first)} has no gradient`;
  return new HotpathError('INVALID_INPUT', `The model cannot be trained: ${reason}.`);
}
