/**
 * Static INT8 with the most sensitive layers left float, until the answers are as close to the original's as asked. Each layer is
 * quantized alone and ranked by the error it makes; then the fewest of the worst are left out. Called by `optimize`.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { Dataset, PassContext, PassReport } from '../pass.ts';
import { Int8Trials } from './qdq/trials.ts';
import type { StaticInt8Settings } from './static-int8.ts';
import { staticInt8 } from './static-int8.ts';

export interface MixedPrecisionSettings extends StaticInt8Settings {
  /** What the worst output of the model must reach. @default 30 */
  readonly targetDb?: number | undefined;
  /** Rows to compare answers on. @default the calibration data */
  readonly validation?: Dataset | undefined;
  /** Of them at most. @default 16 */
  readonly validationRows?: number | undefined;
}

export interface LayerSensitivity {
  readonly node: string;
  readonly opType: string;
  /** Of the model's worst output when only this layer is quantized. */
  readonly sqnrDb: number;
}

export interface MixedPrecisionReport extends PassReport {
  /** Most sensitive first; empty when quantizing every layer was good enough. */
  readonly sensitivity: readonly LayerSensitivity[];
  /** Of the result, on the rows it was chosen by. */
  readonly sqnrDb: number;
  /** With no layer left float. */
  readonly allLayersDb: number;
}

/**
 * @throws INVALID_INPUT as static quantization does, and when the target is missed with all but one layer left float;
 * CANCELLED between layers
 */
export async function mixedPrecision(
  graph: Graph,
  settings: MixedPrecisionSettings,
  context: PassContext,
): Promise<MixedPrecisionReport> {
  const { targetDb = 30 } = settings;
  const trials = await Int8Trials.start(graph, settings, context);
  const allLayersDb = await trials.measure({});
  const sensitivity = allLayersDb >= targetDb ? [] : await rankLayers(trials, context);
  const { excluded, sqnrDb } =
    allLayersDb >= targetDb
      ? { excluded: [], sqnrDb: allLayersDb }
      : await excludeFewest(trials, sensitivity, targetDb, context);
  const exclude = [...(settings.exclude ?? []), ...excluded];
  const report = await staticInt8(
    graph,
    { ...settings, exclude, ranges: trials.ranges },
    { ...context, onProgress: quiet },
  );
  context.onProgress(1, 'written');
  const note = `${excluded.length} of ${trials.layers.length} layers stay float for ${sqnrDb.toFixed(1)} dB; with all of them in INT8 it is ${allLayersDb.toFixed(1)} dB.`;
  return { ...report, notes: [...report.notes, note], sensitivity, sqnrDb, allLayersDb };
}

const quiet = (): void => undefined;

/** Each layer alone, most sensitive first. */
async function rankLayers(trials: Int8Trials, { onProgress }: PassContext): Promise<LayerSensitivity[]> {
  const ranked: LayerSensitivity[] = [];
  for (const [index, { node, opType }] of trials.layers.entries()) {
    ranked.push({ node, opType, sqnrDb: await trials.measure({ only: [node] }) });
    onProgress(
      0.1 + (0.7 * (index + 1)) / trials.layers.length,
      `measured layer ${index + 1} of ${trials.layers.length}`,
    );
  }
  return ranked.sort((a, b) => a.sqnrDb - b.sqnrDb);
}

/** Halves the number of worst layers to leave out until the fewest that reach the target are found. */
async function excludeFewest(
  trials: Int8Trials,
  sensitivity: readonly LayerSensitivity[],
  targetDb: number,
  { onProgress }: PassContext,
): Promise<{ excluded: string[]; sqnrDb: number }> {
  const worst = sensitivity.map(({ node }) => node);
  let tooFew = 0;
  let enough = worst.length;
  let sqnrDb = Number.NaN;
  while (enough - tooFew > 1) {
    const count = (tooFew + enough) >> 1;
    const reached = await trials.measure({ exclude: worst.slice(0, count) });
    onProgress(0.9, `${count} layers float: ${reached.toFixed(1)} dB`);
    if (reached >= targetDb) [enough, sqnrDb] = [count, reached];
    else tooFew = count;
  }
  if (enough === worst.length) {
    throw invalidInput('targetDb', `INT8 misses ${targetDb} dB even with all layers but one left float.`);
  }
  return { excluded: worst.slice(0, enough), sqnrDb };
}
