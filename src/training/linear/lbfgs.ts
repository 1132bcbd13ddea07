/**
 * Minimizes a smooth function by limited-memory BFGS with a backtracking line search (Nocedal and Wright, Numerical Optimization, 7.2).
 * Called by logistic.ts. Deterministic; says whether it converged.
 */

export interface Evaluation {
  readonly value: number;
  readonly gradient: Float64Array<ArrayBuffer>;
}

export interface Minimum {
  readonly x: Float64Array<ArrayBuffer>;
  readonly iterations: number;
  /** Whether every part of the gradient is within the tolerance. */
  readonly converged: boolean;
}

export interface LbfgsOptions {
  readonly start: Float64Array<ArrayBuffer>;
  readonly maxIterations: number;
  /** Greatest part of the gradient that counts as zero. */
  readonly tolerance: number;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

const memory = 10;

interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  readonly scale: number;
}

export function minimize(evaluate: (x: Float64Array) => Evaluation, options: LbfgsOptions): Minimum {
  let x = options.start;
  let at = evaluate(x);
  const pairs: Pair[] = [];
  let iterations = 0;
  while (iterations < options.maxIterations && greatest(at.gradient) > options.tolerance) {
    const direction = descend(at.gradient, pairs);
    const next = search(evaluate, x, at, direction);
    if (next === undefined) break;
    const step = next.x.map((value, i) => value - x[i]!);
    const change = next.at.gradient.map((value, i) => value - at.gradient[i]!);
    const curvature = dot(step, change);
    if (curvature > 1e-14) pairs.push({ step, change, scale: 1 / curvature });
    if (pairs.length > memory) pairs.shift();
    x = next.x;
    at = next.at;
    iterations++;
    options.onProgress?.(iterations, options.maxIterations);
  }
  return { x, iterations, converged: greatest(at.gradient) <= options.tolerance };
}

/** The two-loop recursion: minus the approximate inverse Hessian times the gradient. */
function descend(gradient: Float64Array, pairs: readonly Pair[]): Float64Array {
  const direction = gradient.map((value) => -value);
  const shares: number[] = [];
  for (const { step, change, scale } of pairs.toReversed()) {
    const share = scale * dot(step, direction);
    shares.push(share);
    addScaled(direction, change, -share);
  }
  const last = pairs.at(-1);
  const size =
    last === undefined
      ? 1 / Math.max(1, Math.sqrt(dot(gradient, gradient)))
      : 1 / (last.scale * dot(last.change, last.change));
  for (let i = 0; i < direction.length; i++) direction[i]! *= size;
  for (const { step, change, scale } of pairs) {
    addScaled(direction, step, shares.pop()! - scale * dot(change, direction));
  }
  return direction;
}

/** Halves the step until the value falls enough (Armijo); undefined when it no longer does. */
function search(
  evaluate: (x: Float64Array) => Evaluation,
  x: Float64Array<ArrayBuffer>,
  at: Evaluation,
  direction: Float64Array,
): { x: Float64Array<ArrayBuffer>; at: Evaluation } | undefined {
  const slope = dot(at.gradient, direction);
  if (!(slope < 0)) return undefined;
  for (let size = 1; size > 1e-12; size /= 2) {
    const candidate = x.map((value, i) => value + size * direction[i]!);
    const found = evaluate(candidate);
    if (found.value <= at.value + 1e-4 * size * slope) return { x: candidate, at: found };
  }
  return undefined;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function addScaled(to: Float64Array, values: Float64Array, factor: number): void {
  for (let i = 0; i < to.length; i++) to[i]! += factor * values[i]!;
}

function greatest(values: Float64Array): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) most = Math.max(most, Math.abs(values[i]!));
  return most;
}
