/**
 * Sums of products over calibration rows: X'X (Gram) and X'Y, in float64 from float32 rows. Called by GPTQ and by the repair of
 * pruned layers. All matrices are row-major. Adds to what it is given, so that rows can come in pieces; never keeps them.
 */

export type Reals = Float32Array | Float64Array;

/** Adds X'X to the upper triangle of `gram` [width, width], for `rows` [rowCount, width]. `mirrorUpper` fills the rest. */
export function addGram(gram: Float64Array, rows: Reals, rowCount: number, width: number): void {
  let row = 0;
  // Four rows at once: each sum is loaded and stored once per four products.
  for (; row + 4 <= rowCount; row += 4) {
    const [a, b, c, d] = [0, 1, 2, 3].map((step) => rows.subarray((row + step) * width, (row + step + 1) * width));
    addFourRows(gram, a!, b!, c!, d!, width);
  }
  for (; row < rowCount; row++) addOneRow(gram, rows.subarray(row * width, (row + 1) * width), width);
}

function addFourRows(gram: Float64Array, a: Reals, b: Reals, c: Reals, d: Reals, width: number): void {
  for (let i = 0; i < width; i++) {
    const [ai, bi, ci, di] = [a[i]!, b[i]!, c[i]!, d[i]!];
    // After a Relu half of the values are zero.
    if (ai === 0 && bi === 0 && ci === 0 && di === 0) continue;
    const base = i * width;
    for (let j = i; j < width; j++) {
      gram[base + j] = gram[base + j]! + ai * a[j]! + bi * b[j]! + ci * c[j]! + di * d[j]!;
    }
  }
}

function addOneRow(gram: Float64Array, a: Reals, width: number): void {
  for (let i = 0; i < width; i++) {
    const ai = a[i]!;
    if (ai === 0) continue;
    const base = i * width;
    for (let j = i; j < width; j++) gram[base + j] = gram[base + j]! + ai * a[j]!;
  }
}

/** Copies the upper triangle of a square matrix into the lower one. */
export function mirrorUpper(matrix: Float64Array, width: number): void {
  for (let i = 1; i < width; i++) {
    for (let j = 0; j < i; j++) matrix[i * width + j] = matrix[j * width + i]!;
  }
}

/** Adds X'Y to `sums` [xWidth, yWidth], for X [rowCount, xWidth] and Y [rowCount, yWidth]. */
export function addCross(
  sums: Float64Array,
  x: Reals,
  y: Reals,
  rowCount: number,
  xWidth: number,
  yWidth: number,
): void {
  for (let row = 0; row < rowCount; row++) {
    const yRow = y.subarray(row * yWidth, (row + 1) * yWidth);
    for (let i = 0; i < xWidth; i++) {
      const xi = x[row * xWidth + i]!;
      if (xi === 0) continue;
      const base = i * yWidth;
      for (let j = 0; j < yWidth; j++) sums[base + j] = sums[base + j]! + xi * yRow[j]!;
    }
  }
}
