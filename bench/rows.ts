/** The rows every competitor is asked for: reproducible, all different, values as a client would send them. */
import { seededRandom } from '../src/core/seeded-random.ts';

/** Row `index` of `elements` floats in [-1, 1) with four decimals, so that the JSON is as short as real features are. */
export function syntheticRow(elements: number, index: number): Float32Array {
  const random = seededRandom(index + 1);
  return Float32Array.from({ length: elements }, () => Math.round((random() * 2 - 1) * 10_000) / 10_000);
}

/** Iris-like measurements in centimetres with one decimal. */
export function irisRow(index: number): Float32Array {
  const random = seededRandom(index + 1);
  const between = (low: number, high: number): number => Math.round((low + random() * (high - low)) * 10) / 10;
  return Float32Array.of(between(4.3, 7.9), between(2, 4.4), between(1, 6.9), between(0.1, 2.5));
}

/** Floats as the shortest decimal that is the same float, so that JSON and binary requests ask the same. */
export function rowToJson(row: Float32Array): number[] {
  return Array.from(row, (value) => Number.parseFloat(value.toPrecision(6)));
}

/** The first `count` of `syntheticRow`, one after the other. */
export function syntheticRows(rowShape: readonly number[], count: number): Float32Array {
  const elements = rowShape.reduce((product, dim) => product * dim, 1);
  const rows = new Float32Array(count * elements);
  for (let index = 0; index < count; index++) rows.set(syntheticRow(elements, index), index * elements);
  return rows;
}
