/** Solves symmetric positive definite systems by Cholesky decomposition. Called by ridge.ts. Pure, float64. */

/**
 * The x of `a x = b`, or undefined when `a` is not positive definite to working precision.
 * @param a [n, n] row-major, of which the lower half is read
 */
export function solveCholesky(a: Float64Array, b: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> | undefined {
  const n = b.length;
  const factor = decompose(a, n);
  if (factor === undefined) return undefined;
  const x = b.slice();
  for (let i = 0; i < n; i++) {
    let sum = x[i]!;
    for (let j = 0; j < i; j++) sum -= factor[i * n + j]! * x[j]!;
    x[i] = sum / factor[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    let sum = x[i]!;
    for (let j = i + 1; j < n; j++) sum -= factor[j * n + i]! * x[j]!;
    x[i] = sum / factor[i * n + i]!;
  }
  return x;
}

function decompose(a: Float64Array, n: number): Float64Array | undefined {
  const factor = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= factor[i * n + k]! * factor[j * n + k]!;
      if (i === j && sum <= 1e-10 * Math.abs(a[i * n + i]!)) return undefined;
      factor[i * n + j] = i === j ? Math.sqrt(sum) : sum / factor[j * n + j]!;
    }
  }
  return factor;
}
