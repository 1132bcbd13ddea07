/**
 * Trains the weights of a changed model further on the calibration rows, until it answers more like the model it came from: after pruning,
 * or with the rounding of INT8 in the way (quantization-aware training). Called by `optimize`. Rows need no labels: the original teaches.
 */
import { invalidInput } from '../../core/errors.ts';
import { activationRanges } from '../finetune/activation-ranges.ts';
import type { FineTuneReport, FineTuneSettings } from '../finetune/fine-tune.ts';
import { distil } from '../finetune/fine-tune.ts';
import type { Graph } from '../graph/graph.ts';
import type { LayerChange, Pass, PassContext } from '../pass.ts';

export interface FurtherTrainingSettings extends Pick<FineTuneSettings, 'steps' | 'learningRate' | 'keepZeros'> {
  /** Weights are rounded to so many bits in each step, inputs of layers to 8. @default none are */
  readonly weightBits?: number | undefined;
}

/** @throws INVALID_INPUT without rows or the original, and where no gradient reaches a weight, with the node's name */
export const furtherTraining: Pass<FurtherTrainingSettings> = async (graph, settings, context) => {
  const { calibration, original } = context;
  if (calibration === undefined || original === undefined) {
    throw invalidInput(
      'calibration',
      'Further training needs rows as the model will see them, and the model it came from.',
    );
  }
  const { weightBits, ...rest } = settings;
  const asked =
    weightBits === undefined ? rest : { ...rest, fakeQuantization: await rounding(graph, weightBits, context) };
  context.onProgress(0.1, 'training');
  // On rows that are not trained on the best weights are chosen; they may be those from before.
  const report = await distil(graph, original, calibration, asked, context);
  context.onProgress(1, 'trained');
  return {
    title:
      weightBits === undefined ? 'further training on the answers of the original' : `training for INT${weightBits}`,
    changed: changes(report),
    skipped: [],
    notes: [...report.notes, resultOf(report)],
  };
};

async function rounding(graph: Graph, weightBits: number, context: PassContext) {
  return { weightBits, activations: await activationRanges(graph, context.calibration!, context) };
}

function changes({ trained, lossBefore, lossAfter }: FineTuneReport): LayerChange[] {
  if (!(lossAfter < lossBefore)) return [];
  return trained.map((name) => ({ node: name, opType: 'weights', what: 'trained' }));
}

function resultOf({ steps, loss, lossBefore, lossAfter }: FineTuneReport): string {
  const kind = loss === 'mse' ? 'squared error' : 'cross-entropy';
  if (!(lossAfter < lossBefore)) return `${steps} steps made it no better: the weights stay as they were.`;
  return `${steps} steps: ${kind} against the original ${lossBefore.toPrecision(3)} -> ${lossAfter.toPrecision(3)} on rows held back.`;
}
