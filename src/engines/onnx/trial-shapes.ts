/**
 * Guesses of input shapes for a model whose dimensions are partly variable. Pure; used by the probe child.
 * Dimensions with the same symbolic name always get the same size; axis 0 counts as the batch and stays 1.
 */
import type { TensorSpec } from '../../core/tensor.ts';

/** One guess: a shape per input, in signature order. */
export type Shapes = readonly (readonly number[])[];

/** Sizes worth trying, the likeliest first; 1 late, because many models are constant on it. */
const plainSizes = [8, 16, 4, 2, 32, 64, 1, 128, 3, 5, 10, 13, 20, 30, 100, 224, 256, 512, 576, 640, 768, 784, 1024];
const imageSizes = [224, 64, 32, 256, 128, 416, 512, 640, 28, 16, 8, 1];
const mostGuesses = 150;

const batch = 'batch axis';

/** Guesses in the order to try them; the first alone when nothing is variable but the batch. */
export function* guessShapes(
  inputs: readonly TensorSpec[],
  symbols: readonly (readonly (string | undefined)[])[],
): Generator<Shapes> {
  const plan = inputs.map((input, index) =>
    input.shape.map((dim, axis) => (dim >= 0 ? dim : groupOf(index, axis, symbols))),
  );
  const groups = [...new Set(plan.flat().filter((dim) => typeof dim === 'string' && dim !== batch))] as string[];
  const sizes = plan.some(looksLikeImage) ? imageSizes : plainSizes;
  let given = 0;
  for (const assignment of assignments(groups, sizes)) {
    if (given++ === mostGuesses) return;
    yield plan.map((dims) =>
      dims.map((dim) => (typeof dim === 'number' ? dim : dim === batch ? 1 : assignment.get(dim)!)),
    );
  }
}

/** All groups alike, then one varied while the others stay 1, then pairs of different sizes. */
function* assignments(groups: readonly string[], sizes: readonly number[]): Generator<ReadonlyMap<string, number>> {
  const all = (size: number): Map<string, number> => new Map(groups.map((group) => [group, size]));
  if (groups.length === 0) {
    yield new Map();
    return;
  }
  for (const size of sizes) yield all(size);
  if (groups.length === 1) return;
  for (const size of sizes) {
    for (const group of groups) yield all(1).set(group, size);
  }
  for (const one of sizes) {
    for (const other of sizes) {
      for (const group of groups) if (one !== other) yield all(other).set(group, one);
    }
  }
}

function groupOf(index: number, axis: number, symbols: readonly (readonly (string | undefined)[])[]): string {
  if (axis === 0) return batch;
  const symbol = symbols[index]?.[axis] ?? '';
  if (symbol === '') return `${index}:${axis}`;
  return symbols.some((names) => names[0] === symbol) ? batch : `symbol ${symbol}`;
}

/** Rank 4 with two variable sides and few channels, first or last. */
function looksLikeImage(dims: readonly (number | string)[]): boolean {
  const [, second, third, fourth] = dims;
  if (dims.length !== 4 || typeof third !== 'string') return false;
  return (isChannels(second) && typeof fourth === 'string') || (isChannels(fourth) && typeof second === 'string');
}

function isChannels(dim: number | string | undefined): boolean {
  return dim === 1 || dim === 3 || dim === 4;
}
