/**
 * Least squares where each output has its own set of weights that may not change (unstructured pruning), and where the matrix is too
 * big to factor: conjugate gradients for all outputs at once, the product of each round done by ONNX Runtime. Called by the repair pass.
 */
import type { Tensor } from '../../core/tensor.ts';
import { encodeModel } from '../../onnx-file/encode.ts';
import { makeModel, makeNode, makeValueInfo } from '../../onnx-file/model.ts';
import type { ModelRunner } from '../pass.ts';
import { throwIfCancelled } from './cancel.ts';

export interface MaskedProblem {
  /** [width, width], symmetric. */
  readonly gram: Float64Array;
  /** [width, columns] */
  readonly cross: Float64Array;
  readonly width: number;
  readonly columns: number;
  /** Share of the mean of the diagonal that is added to it. */
  readonly damping: number;
  /** 0 where the answer must be 0. @default all free */
  readonly mask: Uint8Array | undefined;
}

/** More rounds fit the samples better and the layer no more. */
const mostRounds = 40;
const enough = 1e-3;

/** @returns D [width, columns] with (G + damping) D = C on the free entries. Preconditioned by the diagonal. */
export async function solveMasked(
  problem: MaskedProblem,
  runner: ModelRunner,
  signal?: AbortSignal,
): Promise<Float64Array> {
  const { cross, width, columns, mask } = problem;
  const { damped, inverse } = prepare(problem);
  const open = await runner.open(productModel(width, columns));
  try {
    const answer = new Float64Array(cross.length);
    const rest = Float64Array.from(cross, (value, i) => (mask?.[i] === 0 ? 0 : value));
    const direction = new Float64Array(cross.length);
    let old = new Float64Array(columns);
    const first = weighted(rest, rest, inverse, columns);
    for (let round = 0; round < mostRounds; round++) {
      throwIfCancelled(signal);
      const now = round === 0 ? first : weighted(rest, rest, inverse, columns);
      if (now.every((value, j) => value <= enough ** 2 * first[j]!)) break;
      advance(direction, rest, inverse, now, old, columns);
      const p: Tensor = { datatype: 'float32', shape: [width, columns], data: new Float32Array(direction) };
      const product = (await open.run({ g: { datatype: 'float32', shape: [width, width], data: damped }, p })).gp!
        .data as Float32Array;
      step(answer, rest, direction, product, mask, now, columns);
      old = now;
    }
    return answer;
  } finally {
    await open.close();
  }
}

function prepare({ gram, width, damping }: MaskedProblem): {
  damped: Float32Array<ArrayBuffer>;
  inverse: Float64Array;
} {
  let trace = 0;
  for (let i = 0; i < width; i++) trace += gram[i * width + i]!;
  const ridge = (damping * trace) / width || 1;
  const damped = new Float32Array(gram);
  for (let i = 0; i < width; i++) damped[i * width + i]! += ridge;
  const inverse = Float64Array.from({ length: width }, (_, i) => 1 / damped[i * width + i]!);
  return { damped, inverse };
}

/** Per column: sum of a * b * factor of the row. */
function weighted(a: Float64Array, b: Float64Array, factor: Float64Array, columns: number): Float64Array<ArrayBuffer> {
  const sums = new Float64Array(columns);
  for (let i = 0, at = 0; i < factor.length; i++) {
    for (let j = 0; j < columns; j++, at++) sums[j] = sums[j]! + a[at]! * b[at]! * factor[i]!;
  }
  return sums;
}

/** direction = preconditioned rest + (now / old) direction */
function advance(
  direction: Float64Array,
  rest: Float64Array,
  inverse: Float64Array,
  now: Float64Array,
  old: Float64Array,
  columns: number,
): void {
  const beta = now.map((value, j) => (old[j]! > 0 ? value / old[j]! : 0));
  for (let i = 0, at = 0; i < inverse.length; i++) {
    for (let j = 0; j < columns; j++, at++) direction[at] = rest[at]! * inverse[i]! + beta[j]! * direction[at]!;
  }
}

function step(
  answer: Float64Array,
  rest: Float64Array,
  direction: Float64Array,
  product: Float32Array,
  mask: Uint8Array | undefined,
  now: Float64Array,
  columns: number,
): void {
  const curve = new Float64Array(columns);
  for (let at = 0, j = 0; at < direction.length; at++, j = j + 1 === columns ? 0 : j + 1)
    curve[j]! += direction[at]! * product[at]!;
  const alpha = now.map((value, j) => (curve[j]! > 0 ? value / curve[j]! : 0));
  for (let at = 0, j = 0; at < direction.length; at++, j = j + 1 === columns ? 0 : j + 1) {
    answer[at] = answer[at]! + alpha[j]! * direction[at]!;
    if (mask?.[at] !== 0) rest[at] = rest[at]! - alpha[j]! * product[at]!;
  }
}

function productModel(width: number, columns: number): Uint8Array {
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: 13 }],
      graph: {
        name: 'product',
        nodes: [makeNode('MatMul', ['g', 'p'], ['gp'])],
        initializers: [],
        inputs: [makeValueInfo('g', 'float32', [width, width]), makeValueInfo('p', 'float32', [width, columns])],
        outputs: [makeValueInfo('gp', 'float32', [width, columns])],
      },
    }),
  );
}
