/**
 * What one row of an input looks like, worked out once per input and remembered. A row is an input without its leading
 * axis: of `[?, 4]` it is `[4]`. Models without a proven batch axis still have rows when the leading axis is 1 or free.
 */
import type { TensorSpec } from '../../core/tensor.ts';

export interface RowPlan {
  readonly spec: TensorSpec;
  /** True when a leading axis is put before what the client sends as one row. */
  readonly leads: boolean;
  /** The row's shape, -1 for variable dimensions. */
  readonly rowShape: readonly number[];
  /** Values of one row when all its dimensions are fixed, else -1. */
  readonly rowCount: number;
  /** Shape of a tensor of one row when all is fixed; shared, never changed. */
  readonly oneRow: readonly number[];
}

const plans = new WeakMap<TensorSpec, RowPlan>();

/** The plan of one input. `batchable` belongs to the model and never changes for the same spec object. */
export function planRow(spec: TensorSpec, batchable: boolean): RowPlan {
  let plan = plans.get(spec);
  if (plan === undefined) {
    plan = makePlan(spec, batchable);
    plans.set(spec, plan);
  }
  return plan;
}

function makePlan(spec: TensorSpec, batchable: boolean): RowPlan {
  const { shape } = spec;
  // A lone free axis of an unbatchable model (samples, tokens) is data, not rows.
  const leads = shape.length > 0 && (batchable || shape[0] === 1 || (shape[0] === -1 && shape.length > 1));
  const rowShape = leads ? shape.slice(1) : shape;
  const fixed = rowShape.every((dim) => dim >= 0);
  return {
    spec,
    leads,
    rowShape,
    rowCount: fixed ? rowShape.reduce((product, dim) => product * dim, 1) : -1,
    oneRow: Object.freeze(leads ? [1, ...rowShape] : [...rowShape]),
  };
}

/** `pattern` with its one variable dimension computed from the number of values; undefined when that does not work out. */
export function solveShape(pattern: readonly number[], count: number): number[] | undefined {
  let product = 1;
  let variable = -1;
  for (let axis = 0; axis < pattern.length; axis++) {
    const dim = pattern[axis]!;
    if (dim >= 0) product *= dim;
    else if (variable >= 0) return undefined;
    else variable = axis;
  }
  if (variable < 0) return product === count ? [...pattern] : undefined;
  if (product === 0 || count % product !== 0) return undefined;
  return pattern.map((dim, axis) => (axis === variable ? count / product : dim));
}
