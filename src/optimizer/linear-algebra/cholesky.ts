/**
 * Cholesky factors of symmetric positive definite matrices and solves with them, in float64, row-major, in place.
 * Called by ridge.ts and GPTQ. Blocked, because at a width of 4,096 the plain loop waits for memory: about n^3 / 6 products.
 */

const blockWidth = 32;
/** A piece of 4 rows and 32 others stays in the second-level cache. */
const depth = 512;

/**
 * Replaces the lower triangle of `matrix` [size, size] by L with L L' = matrix; the upper one is left as it was.
 * @returns false where the matrix is not positive definite (to rounding); `matrix` is then of no use
 */
export function factorCholesky(matrix: Float64Array, size: number): boolean {
  for (let start = 0; start < size; start += blockWidth) if (!factorColumns(matrix, size, start)) return false;
  return true;
}

/** As `factorCholesky`, giving way to other work between blocks. @throws what `signal` was aborted with */
export async function factorCholeskyGently(
  matrix: Float64Array,
  size: number,
  pause: () => Promise<void>,
): Promise<boolean> {
  for (let start = 0; start < size; start += blockWidth) {
    if (!factorColumns(matrix, size, start)) return false;
    await pause();
  }
  return true;
}

/** Finishes columns `start` to `start + blockWidth` of L, those before being done. */
function factorColumns(matrix: Float64Array, size: number, start: number): boolean {
  const end = Math.min(start + blockWidth, size);
  for (let from = 0; from < start; from += depth) {
    subtractProducts(matrix, size, start, end, from, Math.min(from + depth, start));
  }
  for (let row = start; row < size; row++) {
    const last = Math.min(row, end - 1);
    for (let column = start; column <= last; column++) {
      let sum = matrix[row * size + column]!;
      for (let k = start; k < column; k++) sum -= matrix[row * size + k]! * matrix[column * size + k]!;
      if (row === column) {
        if (!(sum > 0)) return false;
        matrix[row * size + row] = Math.sqrt(sum);
      } else matrix[row * size + column] = sum / matrix[column * size + column]!;
    }
  }
  return true;
}

/** matrix[i][j] -= sum over k of L[i][k] L[j][k], for j of the block and all i below its start; in tiles of 2 x 4. */
function subtractProducts(m: Float64Array, n: number, start: number, end: number, from: number, to: number): void {
  for (let i = start; i < n; i += 2) {
    const pair = i + 1 < n;
    const lastColumn = Math.min(end - 1, pair ? i + 1 : i);
    let j = start;
    if (pair) for (; j + 3 <= lastColumn; j += 4) subtractTile(m, n, i, j, from, to);
    for (let row = i; row < Math.min(i + 2, n); row++) {
      for (let column = j; column <= Math.min(lastColumn, row); column++) subtractOne(m, n, row, column, from, to);
    }
  }
}

function subtractTile(m: Float64Array, n: number, i: number, j: number, from: number, to: number): void {
  const [a, b] = [i * n, (i + 1) * n];
  const [p, q, r, s] = [j * n, (j + 1) * n, (j + 2) * n, (j + 3) * n];
  let ap = 0;
  let aq = 0;
  let ar = 0;
  let as = 0;
  let bp = 0;
  let bq = 0;
  let br = 0;
  let bs = 0;
  for (let k = from; k < to; k++) {
    const ak = m[a + k]!;
    const bk = m[b + k]!;
    const pk = m[p + k]!;
    const qk = m[q + k]!;
    const rk = m[r + k]!;
    const sk = m[s + k]!;
    ap += ak * pk;
    aq += ak * qk;
    ar += ak * rk;
    as += ak * sk;
    bp += bk * pk;
    bq += bk * qk;
    br += bk * rk;
    bs += bk * sk;
  }
  for (const [at, sum] of [
    [a + j, ap],
    [a + j + 1, aq],
    [a + j + 2, ar],
    [a + j + 3, as],
    [b + j, bp],
    [b + j + 1, bq],
    [b + j + 2, br],
    [b + j + 3, bs],
  ] as const) {
    m[at] = m[at]! - sum;
  }
}

function subtractOne(m: Float64Array, n: number, i: number, j: number, from: number, to: number): void {
  let sum = 0;
  for (let k = from; k < to; k++) sum += m[i * n + k]! * m[j * n + k]!;
  m[i * n + j] = m[i * n + j]! - sum;
}

/** Solves L L' X = B for all columns at once; `b` [size, columns] becomes X. */
export function solveCholesky(lower: Float64Array, size: number, b: Float64Array, columns: number): void {
  for (let row = 0; row < size; row++) {
    for (let k = 0; k < row; k++) subtractRow(b, columns, row, k, lower[row * size + k]!);
    scaleRow(b, columns, row, 1 / lower[row * size + row]!);
  }
  for (let row = size - 1; row >= 0; row--) {
    scaleRow(b, columns, row, 1 / lower[row * size + row]!);
    for (let k = 0; k < row; k++) subtractRow(b, columns, k, row, lower[row * size + k]!);
  }
}

function subtractRow(b: Float64Array, columns: number, target: number, source: number, factor: number): void {
  if (factor === 0) return;
  const [to, from] = [target * columns, source * columns];
  for (let column = 0; column < columns; column++) b[to + column] = b[to + column]! - factor * b[from + column]!;
}

function scaleRow(b: Float64Array, columns: number, row: number, factor: number): void {
  for (let i = row * columns; i < (row + 1) * columns; i++) b[i] = b[i]! * factor;
}
