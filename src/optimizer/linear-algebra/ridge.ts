/**
 * Ridge regression from its normal equations: the weights that repeat Y best from X, where only X'X and X'Y are at hand.
 * Called by the repair of pruned layers. Pure; what it is given stays as it was.
 */
import { factorCholesky, solveCholesky } from './cholesky.ts';

/**
 * Solves (G + damping * mean(diag G) * I) W = C for `gram` [size, size] (full or upper triangle) and `cross` [size, columns].
 * Damping grows tenfold until the matrix is positive definite; inputs that are always zero get weight 0.
 * @returns W [size, columns]
 */
export function solveRidge(
  gram: Float64Array,
  size: number,
  cross: Float64Array,
  columns: number,
  damping = 1e-4,
): Float64Array {
  for (let share = damping; ; share = Math.max(share * 10, 1e-12)) {
    const lower = dampedCopy(gram, size, share);
    if (factorCholesky(lower, size)) {
      const weights = cross.slice();
      solveCholesky(lower, size, weights, columns);
      return weights;
    }
    // Sums of products of finite numbers become positive definite long before; only NaN and infinity do not.
    if (share > 1e6) return new Float64Array(size * columns);
  }
}

/** Lower triangle of the damped matrix; a diagonal of zero becomes 1, which leaves that input's weight at 0. */
export function dampedCopy(gram: Float64Array, size: number, damping: number): Float64Array {
  const copy = new Float64Array(size * size);
  for (let i = 0; i < size; i++) for (let j = 0; j <= i; j++) copy[i * size + j] = gram[j * size + i]!;
  let trace = 0;
  for (let i = 0; i < size; i++) trace += copy[i * size + i]!;
  const ridge = (damping * trace) / size;
  for (let i = 0; i < size; i++) {
    const at = i * size + i;
    copy[at] = copy[at] === 0 ? 1 : copy[at]! + ridge;
  }
  return copy;
}
