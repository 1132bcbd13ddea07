/**
 * The rows that one run of `optimize` calibrates and verifies on: given or made up, as many as the model's speed allows, a third held out.
 * Called by optimize.ts.
 */
import { elementCount } from '../../core/tensor.ts';
import type { DataRequest } from '../data/load-data.ts';
import { loadData } from '../data/load-data.ts';
import type { LoadedData, Rows, SplitRows } from '../data/rows.ts';
import { SeparateRows, splitRows } from '../data/rows.ts';
import { makeRows } from '../data/synthetic.ts';
import type { OpenModel } from '../pass.ts';
import type { ModelTrial, OptimizeTools } from './tools.ts';

export interface PreparedRows extends SplitRows, Pick<LoadedData, 'title' | 'classNames'> {
  readonly synthetic: boolean;
  readonly labelled: boolean;
  /** Whether rows may share a run. */
  readonly joinable: boolean;
  /** Whatever decides which rows these are: variants of equal keys were made on the same ones. */
  readonly key: readonly unknown[];
}

/** Verification runs every variant on every row: this is what one may take. */
const verifyMs = 10_000;
const calibrateMs = 4000;
const mostHeldOut = 2048;
const mostCalibration = 4096;
/** Ranges are known after so many; repairing a pruned layer of a thousand inputs takes several thousand, where they are cheap. */
const fewestCalibration = 512;
const fewestRows = 32;
const madeUpBytes = 2 ** 27;

const madeUpNote =
  'NO DATA WAS GIVEN: rows were made up from random numbers. Times and sizes are right; what is said about quality is only a hint. ' +
  'Give rows like those of your users with --data.';

/** @param data undefined: rows are made up @throws INVALID_INPUT */
export async function prepareRows(
  original: OpenModel,
  trial: ModelTrial,
  data: DataRequest | undefined,
  tools: OptimizeTools,
): Promise<PreparedRows> {
  const loaded = data === undefined ? madeUp(original, trial, tools) : await load(original, data, tools);
  const { rows, note } = joinable(loaded.rows, original, trial);
  const limits = {
    mostHeldOut: affordable(trial, verifyMs, fewestRows, mostHeldOut),
    mostCalibration: affordable(trial, calibrateMs, fewestCalibration, mostCalibration),
  };
  const split = splitRows(rows, tools.random('split'), limits);
  const { title, classNames, digest } = loaded;
  return {
    ...split,
    title,
    classNames,
    synthetic: data === undefined,
    labelled: rows.labels !== undefined,
    joinable: rows.joinable,
    key: [digest, limits],
    notes: [...loaded.notes, ...note, ...split.notes],
  };
}

/** Powers of two: how fast a model is found to be differs a little each time, and a run that goes on must find the same rows. */
function affordable({ singleRunMs = 1 }: ModelTrial, ms: number, fewest: number, most: number): number {
  return Math.max(fewest, Math.min(most, 2 ** Math.floor(Math.log2(ms / singleRunMs))));
}

async function load({ inputs }: OpenModel, data: DataRequest, { signal, onProgress }: OptimizeTools) {
  return loadData(inputs, data, { signal, onProgress: (share, what) => onProgress(0.03 * share, what) });
}

function madeUp(original: OpenModel, trial: ModelTrial, tools: OptimizeTools): LoadedData {
  const specs = original.inputs.map((input) => ({ ...input, trialShape: trial.shapes?.[input.name] }));
  const rowBytes = specs.reduce(
    (sum, { trialShape, shape }) => sum + 4 * Math.abs(elementCount(trialShape ?? shape)),
    1,
  );
  // A third of them is held out.
  const wanted = Math.min(1536, 3 * affordable(trial, verifyMs, fewestRows, mostHeldOut));
  const count = Math.max(fewestRows, Math.min(wanted, Math.floor(madeUpBytes / rowBytes)));
  const rows = makeRows(specs, count, tools.random('rows'));
  const title = `${count} made-up rows`;
  return { rows, digest: title, title, classNames: undefined, notes: [madeUpNote] };
}

/** Rows of a model that mixes the rows of a batch are run one by one. */
function joinable(rows: Rows, original: OpenModel, { batch }: ModelTrial): { rows: Rows; note: readonly string[] } {
  const fixed = original.inputs.every(({ shape }) => shape[0] === 1);
  if (!rows.joinable || batch.safe || fixed) return { rows, note: [] };
  return { rows: new SeparateRows(rows), note: [`Rows are run one by one. ${batch.reason}`] };
}
