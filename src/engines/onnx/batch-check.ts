/**
 * Decides whether requests for a model may be joined: the answer for a row must not depend on the rows beside it.
 * Pure, called by the probe child with a real session. A name like "batch" in the model proves nothing: only running does.
 * When in doubt the answer is no, with the reason, because a wrong yes leaks one caller's data into another's answer.
 */
import type { Signature, Tensor } from '../../core/tensor.ts';
import { formatShape } from '../../core/tensor.ts';
import type { Random } from '../../ports/clock.ts';
import type { ProbeReport } from '../../ports/engine.ts';
import { clearlyDiffer, difference, joinRows, splitRows } from './tensor-compare.ts';
import type { Shapes } from './trial-shapes.ts';
import { randomTensor } from './trial-values.ts';

export type BatchVerdict = ProbeReport['batch'];

export interface BatchTrial {
  readonly signature: Signature;
  /** Shapes that are known to run, one row each. */
  readonly shapes: Shapes;
  readonly run: (inputs: readonly Tensor[]) => Promise<Tensor[]>;
  readonly random: Random;
  /** Milliseconds left for the whole check; further draws stop early, the first one has to fit. */
  readonly timeLeftMs: () => number;
  /** Draws after the first are made only within this budget. @default 1500 */
  readonly budgetMs?: number;
}

export interface BatchCheck {
  readonly batch: BatchVerdict;
  readonly notes: readonly string[];
}

const rowsPerDraw = 5;
/** Which rows are joined, in which order: neighbours, a change of order, a repeat, all. */
const compositions = [
  [0, 1],
  [2, 1, 0],
  [3, 3, 4, 0],
  [4, 2, 0, 3, 1],
] as const;
/** Value scales drawn in turn: 1 for nets, the others reach the thresholds of trees and rules. */
const scales = [1, 10, 1, 100, 255, 0.1, 1000] as const;
const enoughDraws = 3;

/** What the signature alone forbids; undefined when only running can tell. */
export function batchObstacle({ inputs, outputs }: Signature): string | undefined {
  if (inputs.length === 0) return 'The model has no inputs.';
  for (const { name, shape } of inputs) {
    if (shape.length === 0) return `Input ${name} is a single value for the whole run, not one per row.`;
    if (shape[0] !== -1) return `Input ${name} has a fixed first dimension: ${formatShape(shape)}.`;
  }
  for (const { name, shape } of outputs) {
    // An empty shape also stands for an unknown rank; running tells.
    if (shape.length > 0 && shape[0] !== -1)
      return `Output ${name} has a fixed first dimension: ${formatShape(shape)}.`;
  }
  return undefined;
}

/** Runs joined and single rows. Never throws: what the model refuses becomes the reason. */
export async function checkBatching(trial: BatchTrial): Promise<BatchCheck> {
  const obstacle = batchObstacle(trial.signature);
  if (obstacle !== undefined) return unsafe(obstacle);
  const { outputs } = trial.signature;
  const varied = new Set<number>();
  const stopBelowMs = trial.timeLeftMs() - (trial.budgetMs ?? 1500);
  let draws = 0;
  for (const scale of scales) {
    if (draws > 0 && trial.timeLeftMs() < stopBelowMs && varied.size > 0) break;
    if (draws >= enoughDraws && varied.size === outputs.length) break;
    const result = await draw(trial, scale, varied);
    if (result === 'refused') continue;
    if (result === 'late') {
      if (varied.size === 0) return unsafe('The model is too slow to be checked within the probe timeout.');
      break;
    }
    if (result !== 'passed') return unsafe(result.reason);
    draws++;
  }
  if (draws === 0) return unsafe('Could not be proven: the model refused the trial rows.');
  if (varied.size === 0) return unsafe('Could not be proven: the model gave the same answer for all trial rows.');
  const constant = outputs.filter((_, index) => !varied.has(index));
  return {
    batch: { safe: true },
    notes: constant.map(({ name }) => `Output ${name} was the same for all trial rows of the batch check.`),
  };
}

type DrawResult = 'passed' | 'refused' | 'late' | { readonly reason: string };

/** Some rows of one scale, alone and joined. Marks in `varied` the outputs that tell rows apart. */
async function draw(trial: BatchTrial, scale: number, varied: Set<number>): Promise<DrawResult> {
  const { signature, shapes, run, random } = trial;
  const rows = Array.from({ length: rowsPerDraw }, () =>
    signature.inputs.map(({ datatype }, index) => randomTensor(datatype, shapes[index]!, scale, random)),
  );
  const solos: Tensor[][] = [];
  for (const row of rows) {
    if (trial.timeLeftMs() <= 0) return 'late';
    const solo = await attempt(run, row);
    if (typeof solo === 'string') return 'refused';
    solos.push(solo);
  }
  const again = await attempt(run, rows[0]!);
  for (const [index, { name }] of signature.outputs.entries()) {
    const tensor = solos[0]![index]!;
    if (tensor.shape.length === 0)
      return reason(`Output ${name} is a single value for the whole run, not one per row.`);
    if (tensor.shape[0] !== 1) return reason(`Output ${name} has ${tensor.shape[0]} rows for one row of input.`);
    if (typeof again === 'string' || difference(again[index]!, tensor) > 0) {
      return reason(`Output ${name} differs between two runs of the same input.`);
    }
    if (solos.some((solo) => clearlyDiffer(solo[index]!, tensor))) varied.add(index);
  }
  for (const composition of compositions) {
    if (trial.timeLeftMs() <= 0) return 'late';
    const mismatch = await compareJoined(trial, composition, rows, solos);
    if (mismatch !== undefined) return reason(mismatch);
  }
  return 'passed';
}

/** Why the joined run is not its rows' own answers; undefined when it is. */
async function compareJoined(
  { signature, run }: BatchTrial,
  composition: readonly number[],
  rows: readonly (readonly Tensor[])[],
  solos: readonly (readonly Tensor[])[],
): Promise<string | undefined> {
  const count = composition.length;
  const joined = signature.inputs.map((_, index) => joinRows(composition.map((row) => rows[row]![index]!)));
  const answers = await attempt(run, joined);
  if (typeof answers === 'string') return `The model takes ${count} rows one by one but not joined. ${answers}`;
  for (const [index, { name }] of signature.outputs.entries()) {
    const answer = answers[index]!;
    if (answer.shape[0] !== count) return `Output ${name} has shape ${formatShape(answer.shape)} for ${count} rows.`;
    const parts = splitRows(answer);
    for (const [place, row] of composition.entries()) {
      const solo = solos[row]![index]!;
      if (difference(parts[place]!, solo) > 0) {
        return `Output ${name} of a row depends on the rows beside it (rows mixed, order, or dynamic quantization).`;
      }
    }
  }
  return undefined;
}

/** The answer, or the runtime's refusal. Running leaves the inputs as they are, so a row may be run again. */
async function attempt(run: BatchTrial['run'], inputs: readonly Tensor[]): Promise<Tensor[] | string> {
  try {
    return await run(inputs);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function reason(text: string): { readonly reason: string } {
  return { reason: text };
}

function unsafe(text: string): BatchCheck {
  return { batch: { safe: false, reason: text }, notes: [] };
}
