/**
 * What goes into layers when the model runs on calibration rows, summed up per value. Called by gptq.ts. Keeps sums, never rows.
 */
import { invalidInput } from '../../../core/errors.ts';
import type { Tensor } from '../../../core/tensor.ts';
import type { Dataset, OpenModel } from '../../pass.ts';
import { InputMoments } from './input-moments.ts';

/** Rows of the calibration data per run. */
const batchRows = 16;
/** Rows of a layer's input per piece of work between pauses. */
const pieceRows = 64;

export interface GramRequest {
  readonly value: string;
  /** Length of its last axis; all others are rows. */
  readonly width: number;
}

/** Upper triangles of X'X without what is chance, float64 [width, width], over at most `mostRows` rows of each value. */
export async function collectGrams(
  model: OpenModel,
  data: Dataset,
  requests: readonly GramRequest[],
  mostRows: number,
  pause: () => Promise<void>,
): Promise<ReadonlyMap<string, Float64Array>> {
  const moments = new Map(requests.map(({ value, width }) => [value, new InputMoments(width)]));
  for (let start = 0; start < data.rows; start += batchRows) {
    const open = [...moments].filter(([, { rows }]) => rows < mostRows);
    if (open.length === 0) break;
    const feeds = data.slice(start, Math.min(batchRows, data.rows - start));
    const fetches = open.map(([value]) => value).filter((value) => feeds[value] === undefined);
    const results = fetches.length === 0 ? {} : await model.run(feeds, fetches);
    for (const [value, sums] of open) {
      const { width } = sums;
      const rows = rowsOf(value, results[value] ?? feeds[value]!, width);
      const count = Math.min(rows.length / width, mostRows - sums.rows);
      for (let row = 0; row < count; row += pieceRows) {
        const piece = Math.min(pieceRows, count - row);
        sums.add(rows.subarray(row * width, (row + piece) * width), piece);
        await pause();
      }
    }
  }
  return new Map([...moments].map(([value, sums]) => [value, sums.finish()]));
}

function rowsOf(value: string, { datatype, data, shape }: Tensor, width: number): Float32Array {
  if (datatype !== 'float32' || shape.at(-1) !== width) {
    throw invalidInput(value, `"${value}" is not the float32 input of ${width} features that its layer should have.`);
  }
  return data as Float32Array;
}
