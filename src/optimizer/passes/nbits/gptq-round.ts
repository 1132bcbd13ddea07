/**
 * GPTQ: rounds the rows of a weight matrix one after the other, each time making up in the rows to come for the error that the
 * inputs of the calibration would show. Called by gptq.ts. Written as in QuIP (Chee et al. 2023, LDLQ), which they prove equal to
 * GPTQ (Frantar et al. 2022): one Cholesky factor of the reversed matrix instead of an inverse and two factors.
 */
import { factorCholeskyGently } from '../../linear-algebra/cholesky.ts';
import { BlockCodes } from './block-codes.ts';
import type { BlockSettings } from './block-scales.ts';

export interface GptqOptions extends BlockSettings {
  /** Share of the mean diagonal that is added to the diagonal. */
  readonly damping: number;
  /** Rounds the rows of the liveliest inputs first, with scales of the weights as they were. */
  readonly actOrder: boolean;
}

/** A'B as float32 [m, n], for A [k, m] and B [k, n], which it may keep. */
export type Multiply = (
  a: Float32Array<ArrayBuffer>,
  b: Float32Array<ArrayBuffer>,
  k: number,
  m: number,
  n: number,
) => Promise<Float32Array>;

const mostDampings = 12;

/**
 * @param weights [inner, outer], left as they are
 * @param gram X'X of the layer's inputs [inner, inner], upper triangle
 * @param pause gives way to other work; throws to cancel
 */
export async function roundGptq(
  weights: Float32Array,
  inner: number,
  outer: number,
  gram: Float64Array,
  options: GptqOptions,
  multiply: Multiply,
  pause: () => Promise<void>,
): Promise<BlockCodes> {
  const order = rowOrder(gram, inner, options.actOrder);
  const lower = await factorReversed(gram, inner, order, options.damping, pause);
  const result = new BlockCodes(inner, outer, options);
  if (options.actOrder) {
    for (let b = 0; b < result.blocks; b++) result.chooseScales(b, weights, b * options.blockSize * outer);
  }
  // The error of each row, in the order of rounding.
  const errors = new Float32Array(inner * outer);
  const batch = Math.max(128, options.blockSize);
  for (let start = 0; start < inner; start += batch) {
    const end = Math.min(start + batch, inner);
    const rows = gatherRows(weights, outer, order.subarray(start, end));
    if (start > 0) await addEarlierErrors(rows, errors, lower, inner, outer, start, end, multiply);
    roundRows({ weights, rows, errors, lower, order, start, end }, result, options);
    await pause();
  }
  return result;
}

/** Which row is rounded at each step. */
function rowOrder(gram: Float64Array, size: number, actOrder: boolean): Int32Array {
  const order = Int32Array.from({ length: size }, (_, step) => step);
  return actOrder ? order.sort((a, b) => gram[b * size + b]! - gram[a * size + a]!) : order;
}

/** The lower factor of the damped matrix with rows and columns from the last step to the first. */
async function factorReversed(
  gram: Float64Array,
  size: number,
  order: Int32Array,
  damping: number,
  pause: () => Promise<void>,
): Promise<Float64Array> {
  let trace = 0;
  for (let i = 0; i < size; i++) trace += gram[i * size + i]!;
  const matrix = new Float64Array(size * size);
  for (let attempt = 0, share = damping; attempt < mostDampings; attempt++, share = Math.max(share * 10, 1e-8)) {
    for (let row = 0; row < size; row++) {
      const i = order[size - 1 - row]!;
      for (let column = 0; column <= row; column++) {
        const j = order[size - 1 - column]!;
        matrix[row * size + column] = i <= j ? gram[i * size + j]! : gram[j * size + i]!;
      }
      const at = row * size + row;
      matrix[at] = matrix[at] === 0 ? 1 : matrix[at]! + (share * trace) / size;
    }
    if (await factorCholeskyGently(matrix, size, pause)) return matrix;
  }
  // Inputs with NaN or infinity: without any correlation GPTQ is rounding to nearest.
  matrix.fill(0);
  for (let i = 0; i < size; i++) matrix[i * size + i] = 1;
  return matrix;
}

function gatherRows(weights: Float32Array, outer: number, order: Int32Array): Float32Array {
  const rows = new Float32Array(order.length * outer);
  for (const [at, row] of order.entries()) rows.set(weights.subarray(row * outer, (row + 1) * outer), at * outer);
  return rows;
}

/** What the error of step `from` adds to the row of step `to`. */
function coefficient(lower: Float64Array, size: number, from: number, to: number): number {
  const row = size - 1 - from;
  const column = size - 1 - to;
  return lower[row * size + column]! / lower[column * size + column]!;
}

async function addEarlierErrors(
  rows: Float32Array,
  errors: Float32Array<ArrayBuffer>,
  lower: Float64Array,
  inner: number,
  outer: number,
  start: number,
  end: number,
  multiply: Multiply,
): Promise<void> {
  const width = end - start;
  const factors = new Float32Array(start * width);
  for (let from = 0; from < start; from++) {
    for (let to = start; to < end; to++) factors[from * width + to - start] = coefficient(lower, inner, from, to);
  }
  const sums = await multiply(factors, errors.slice(0, start * outer), start, width, outer);
  for (let i = 0; i < rows.length; i++) rows[i] = rows[i]! + sums[i]!;
}

interface Batch {
  readonly weights: Float32Array;
  readonly rows: Float32Array;
  readonly errors: Float32Array;
  readonly lower: Float64Array;
  readonly order: Int32Array;
  readonly start: number;
  readonly end: number;
}

function roundRows({ weights, rows, errors, lower, order, start, end }: Batch, to: BlockCodes, o: GptqOptions): void {
  const { inner, outer } = to;
  for (let step = start; step < end; step++) {
    const row = order[step]!;
    const offset = (step - start) * outer;
    if (!o.actOrder && row % o.blockSize === 0) to.chooseScales(row / o.blockSize, rows, offset);
    to.roundRow(row, rows, offset);
    for (let n = 0; n < outer; n++) errors[step * outer + n] = weights[row * outer + n]! - to.valueAt(row, n);
    for (let later = step + 1; later < end; later++) {
      addScaled(rows, (later - start) * outer, errors, step * outer, coefficient(lower, inner, step, later), outer);
    }
  }
}

function addScaled(to: Float32Array, at: number, from: Float32Array, start: number, factor: number, count: number) {
  if (factor === 0) return;
  for (let n = 0; n < count; n++) to[at + n] = to[at + n]! + factor * from[start + n]!;
}
