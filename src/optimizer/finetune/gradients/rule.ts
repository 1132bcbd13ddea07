/** What a gradient rule is. Called by backward.ts through gradients/table.ts; one rule per operator, checked against finite differences. */
import type { Node } from '../../graph/node.ts';
import type { StepBuilder } from '../step-builder.ts';

/**
 * Adds the gradients of the node's inputs (`step.addGradient`), given that of its first output. `wants` tells which inputs need
 * one: the others would be work for nothing.
 * @throws INVALID_INPUT for a form of the operator that it cannot differentiate
 */
export type GradientRule = (
  step: StepBuilder,
  node: Node,
  outputGradient: string,
  wants: (index: number) => boolean,
) => void;
