/**
 * What a model's outputs mean. A handler turns tensors into a prediction per row; protocols write the result down without
 * knowing the model. Implementations: handlers/ (tabular today). Called once per answer of the short request forms.
 */
import type { NamedTensor } from '../core/tensor.ts';
import type { ModelView } from '../core/types.ts';

export interface Interpretation {
  readonly prediction: NamedTensor;
  /** Class probabilities `[rows, classes]`, when the model has them beside a label. */
  readonly probabilities: NamedTensor | undefined;
  /**
   * Class name per row, where the model has class names; undefined for a row whose class has none. Undefined as a whole when
   * the model has no names or the prediction is no class.
   */
  readonly labels: readonly (string | undefined)[] | undefined;
}

/** `rows`: how many rows the request had; outputs whose first axis differs hold one prediction as a whole. */
export type Interpret = (model: ModelView, outputs: readonly NamedTensor[], rows: number) => Interpretation;
