/**
 * How many dimensions values have: as the model says, and where it does not, by running it on one row. Called by static quantization.
 */
import { HotpathError } from '../../../core/errors.ts';
import { observe } from '../../calibrate/observe.ts';
import type { Graph } from '../../graph/graph.ts';
import type { PassContext } from '../../pass.ts';
import type { RankOf } from './raise-opset.ts';

/** Values that are not asked for have the rank that the model says; undefined where nobody knows. */
export async function findRanks(
  graph: Graph,
  values: readonly string[],
  { runner, calibration, signal }: PassContext,
): Promise<RankOf> {
  const stated: RankOf = (value) => graph.typeOf(value)?.dims?.length;
  const unknown = [...new Set(values.filter((value) => stated(value) === undefined))];
  const seen = new Map<string, number>();
  if (unknown.length > 0 && calibration !== undefined && calibration.rows > 0) {
    const oneRow = { rows: 1, labels: undefined, slice: calibration.slice.bind(calibration) };
    const options = { runner, data: oneRow, values: unknown, signal };
    await observe(graph, options, (value, _, shape) => seen.set(value, shape.length)).catch((error: unknown) => {
      // A model for several rows at a time, or data that calibration will complain about: not this file's to say.
      if (!(error instanceof HotpathError) || error.code !== 'INVALID_INPUT') throw error;
    });
  }
  return (value) => stated(value) ?? seen.get(value);
}
