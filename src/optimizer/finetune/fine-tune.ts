/**
 * Trains the weights of a model further: on labels (`fineTune`) or on the answers of the model it came from (`distil`, no labels
 * needed), after pruning with the zeros kept, or with the rounding of quantization in the way. Called by the optimize command.
 * The graph gets the weights that were best on held-out rows, which may be those it had.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import { elementCount } from '../../core/tensor.ts';
import type { Graph } from '../graph/graph.ts';
import type { Dataset, PassContext } from '../pass.ts';
import { replaceConstant } from '../prune/replace-constant.ts';
import type { FakeQuantization } from './fake-quantize.ts';
import type { Loss } from './loss.ts';
import { rowBatches } from './row-batches.ts';
import { RowSource } from './row-source.ts';
import { fixedRows } from './shapes.ts';
import { buildStepGraph } from './step-graph.ts';
import { withFixedInitializers } from './step-inputs.ts';
import { labelTargets, type TargetRows, teacherTargets } from './targets.ts';
import type { Trained } from './train-loop.ts';
import { trainSteps } from './train-loop.ts';

export interface FineTuneSettings {
  /** @default 120 */
  readonly steps?: number;
  /** Rows per step; a model for a fixed number of rows takes that. @default 64, or 8 for images */
  readonly batchSize?: number;
  /** Of Adam. @default 0.0003 */
  readonly learningRate?: number;
  /** @default 0 */
  readonly weightDecay?: number;
  /** Share of the rows that only judge. @default 0.2 */
  readonly heldOut?: number;
  /** Output to train. @default the first float32 one */
  readonly output?: string;
  /** @default cross-entropy for an output of two or more columns that whole labels fit or that ends in Softmax, else squared error */
  readonly loss?: Loss;
  /** Of distillation with cross-entropy: above 1 the teacher's second thoughts count more. @default 1 */
  readonly temperature?: number;
  /** Constants that may be trained. @default all weights and biases of Conv, Gemm and MatMul */
  readonly trainable?: readonly string[];
  /** Weights that are 0 stay so: after unstructured pruning. @default false */
  readonly keepZeros?: boolean;
  readonly fakeQuantization?: FakeQuantization;
}

export interface FineTuneReport extends Pick<Trained, 'steps' | 'lossBefore' | 'lossAfter' | 'history'> {
  readonly loss: Loss;
  readonly trained: readonly string[];
  readonly notes: readonly string[];
}

/**
 * @param data rows with labels: class indices, or values for a squared error
 * @throws INVALID_INPUT without labels, for a model that cannot be trained, and for settings out of range
 */
export async function fineTune(
  graph: Graph,
  data: Dataset,
  settings: FineTuneSettings,
  context: PassContext,
): Promise<FineTuneReport> {
  const { labels } = data;
  if (labels === undefined) throw invalidInput('data', 'Fine-tuning needs labels; distillation does without.');
  return trainGraph(graph, data, settings, context, () => labelTargets(graph, settings.output, labels, settings.loss));
}

/** @param teacher a model with the same inputs and output, usually the one that the graph was made of */
export async function distil(
  graph: Graph,
  teacher: Graph,
  data: Dataset,
  settings: FineTuneSettings,
  context: PassContext,
): Promise<FineTuneReport> {
  return trainGraph(graph, data, settings, context, () => teacherTargets(teacher, data, settings, context));
}

async function trainGraph(
  graph: Graph,
  data: Dataset,
  settings: FineTuneSettings,
  context: PassContext,
  targetsOf: () => TargetRows | Promise<TargetRows>,
): Promise<FineTuneReport> {
  const { steps, learningRate, heldOut } = checked(settings);
  if (data.rows < 2) throw new HotpathError('INVALID_INPUT', 'Training needs two rows or more.');
  const source = new RowSource(data);
  const targets = await targetsOf();
  const batchSize = statedRows(graph) ?? settings.batchSize;
  const batches = rowBatches(source, data.rows, targets, { batchSize, heldOut }, context.random);
  const step = await buildStepGraph(
    graph,
    { ...settings, loss: targets.loss, output: targets.output(graph), weightDecay: (settings.weightDecay ?? 0) > 0 },
    batches.example,
    context.runner,
  );
  batches.targetSize = elementCount(step.targetShape) / batches.batchSize;
  const fixed = withFixedInitializers(graph);
  const start = new Map(step.parameters.map(({ name }) => [name, fixed.floats(name)]));
  const evaluateEvery = Math.max(1, Math.ceil(steps / 12));
  const plan = { steps, learningRate, weightDecay: settings.weightDecay ?? 0, evaluateEvery, patience: 6 };
  const trained = await trainSteps(step, start, batches, plan, context);
  for (const { name, dims } of step.parameters) {
    replaceConstant(graph, name, dims, trained.weights.get(name)!);
  }
  const { lossBefore, lossAfter, history } = trained;
  const names = step.parameters.map(({ name }) => name);
  return {
    loss: targets.loss,
    trained: names,
    notes: step.notes,
    steps: trained.steps,
    lossBefore,
    lossAfter,
    history,
  };
}

/** A model exported for a fixed number of rows is trained on as many at a time. */
function statedRows(graph: Graph): number | undefined {
  const inputs = graph.inputs.filter(({ name }) => !graph.isInitializer(name));
  return fixedRows(
    inputs.map(({ type }) => ({ shape: (type.dims ?? []).map((dim) => (typeof dim === 'number' ? dim : -1)) })),
  );
}

function checked({ steps = 120, learningRate = 3e-4, heldOut = 0.2 }: FineTuneSettings): {
  readonly steps: number;
  readonly learningRate: number;
  readonly heldOut: number;
} {
  if (!Number.isSafeInteger(steps) || steps < 1) throw invalidInput('steps', 'steps must be a whole number from 1.');
  if (!(learningRate > 0 && learningRate <= 1))
    throw invalidInput('learningRate', 'learningRate must be above 0, at most 1.');
  if (!(heldOut >= 0 && heldOut <= 0.9)) throw invalidInput('heldOut', 'heldOut must be from 0 to 0.9.');
  return { steps, learningRate, heldOut };
}
