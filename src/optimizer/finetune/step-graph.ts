/**
 * Makes training steps of a model: ONNX models that take a batch, targets and the weights, and give the loss and the new weights.
 * Called by train-loop.ts. The given graph is only read.
 */
import { HotpathError } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Graph } from '../graph/graph.ts';
import { describeNode, type Node } from '../graph/node.ts';
import type { Feeds, ModelRunner } from '../pass.ts';
import type { AdamState } from './adam.ts';
import { appendAdam } from './adam.ts';
import { differentiate } from './backward.ts';
import type { FakeQuantization } from './fake-quantize.ts';
import { insertFakeQuantization } from './fake-quantize.ts';
import type { Loss } from './loss.ts';
import { appendLoss } from './loss.ts';
import { trainableConstants } from './parameters.ts';
import { raiseOpset } from './raise-opset.ts';
import { observeShapes } from './shapes.ts';
import type { Shapes } from './step-builder.ts';
import { StepBuilder } from './step-builder.ts';
import type { Weight } from './step-inputs.ts';
import {
  constantTensor,
  fixWeights,
  floatInput,
  outputsOnly,
  weightInput,
  withFixedInitializers,
} from './step-inputs.ts';

export interface StepOptions {
  readonly loss: Loss;
  /** The value that the loss looks at. */
  readonly output: string;
  /** Constants that may be trained. @default all weights and biases of Conv, Gemm and MatMul */
  readonly trainable?: readonly string[] | undefined;
  readonly weightDecay?: boolean | undefined;
  /** Weights that are 0 stay so. */
  readonly keepZeros?: boolean | undefined;
  readonly fakeQuantization?: FakeQuantization | undefined;
  /** Whether `train` also gives the gradients: for checks. */
  readonly exposeGradients?: boolean | undefined;
}

/** A trained weight: its name in the model, and the names of its tensors in the step. */
export interface Parameter {
  readonly name: string;
  readonly dims: readonly number[];
  readonly input: AdamState;
  readonly output: AdamState;
}

export interface StepGraph {
  /** Takes the model's inputs, `targets`, `rate`, `decay` (with weight decay) and the parameters. */
  readonly train: Uint8Array;
  /** The loss alone, for rows held out. */
  readonly evaluate: Uint8Array;
  readonly loss: string;
  readonly targets: string;
  readonly targetShape: readonly number[];
  readonly rate: string;
  readonly decay: string | undefined;
  readonly parameters: readonly Parameter[];
  readonly gradients: ReadonlyMap<string, string>;
  /** Sentences on what is not trained. */
  readonly notes: readonly string[];
}

/**
 * @param example one whole batch: all later ones must have its shapes
 * @throws INVALID_INPUT for models that cannot be trained, naming the node
 */
export async function buildStepGraph(
  given: Graph,
  options: StepOptions,
  example: Feeds,
  runner: ModelRunner,
): Promise<StepGraph> {
  const model = withFixedInitializers(given);
  const graph = model.clone();
  graph.sortTopologically();
  raiseOpset(graph);
  for (const { name } of graph.outputs) graph.removeGraphOutput(name);
  graph.addUntypedOutput(options.output);
  graph.removeUnused();
  const names = trainableConstants(graph).filter((name) => options.trainable?.includes(name) ?? true);
  if (names.length === 0) throw new HotpathError('INVALID_INPUT', 'The model has no float32 weights to train.');
  const weights = names.map((name) => ({ name, input: weightInput(graph, name) }));
  if (options.fakeQuantization !== undefined) insertFakeQuantization(graph, model, weights, options.fakeQuantization);
  graph.sortTopologically();
  const values = weights.map(({ name, input }): [string, Tensor] => [input, constantTensor(model, name)]);
  const feeds = { ...example, ...Object.fromEntries(values) };
  const shapes = await observeShapes(graph, feeds, runner);
  return appendStep(graph, model, options, weights, shapes);
}

function appendStep(
  graph: Graph,
  model: Graph,
  options: StepOptions,
  weights: readonly Weight[],
  shapes: Shapes,
): StepGraph {
  const step = new StepBuilder(graph, shapes);
  const forward = graph.nodes;
  const targetShape = step.shape(options.output);
  const targets = floatInput(graph, 'targets', targetShape);
  const { loss, gradient } = appendLoss(step, options.loss, options.output, targets);
  const trained = new Set(weights.map(({ input }) => input));
  const { gradients, blockedBy } = differentiate(step, forward, { value: options.output, gradient }, trained);
  const untrained = weights.filter(({ input }) => !gradients.has(input));
  fixWeights(graph, untrained);
  const rate = floatInput(graph, 'rate', []);
  const decay = options.weightDecay === true ? floatInput(graph, 'decay', []) : undefined;
  const parameters = weights
    .filter(({ input }) => gradients.has(input))
    .map((weight) => appendParameter(step, model, weight, gradients.get(weight.input)!, { rate, decay }, options));
  const updates = parameters.flatMap(({ output }) => [output.weight, output.mean, output.square]);
  const shown = options.exposeGradients === true ? [...gradients.values()] : [];
  return {
    train: outputsOnly(graph, [loss, ...updates, ...shown]).toBytes(),
    evaluate: outputsOnly(graph, [loss]).toBytes(),
    loss,
    targets,
    targetShape,
    rate,
    decay,
    parameters,
    gradients: new Map(parameters.map(({ name, input }) => [name, gradients.get(input.weight)!])),
    notes: notesOn(blockedBy, untrained),
  };
}

function appendParameter(
  step: StepBuilder,
  model: Graph,
  { name, input }: Weight,
  gradient: string,
  { rate, decay }: { readonly rate: string; readonly decay: string | undefined },
  { keepZeros }: StepOptions,
): Parameter {
  const { dims } = model.constantOf(name)!;
  const state = {
    weight: input,
    mean: floatInput(step.graph, `${name}_mean`, dims),
    square: floatInput(step.graph, `${name}_square`, dims),
  };
  // Biases are not drawn to zero: it would not make the model simpler.
  const output = appendAdam(step, state, gradient, rate, dims.length > 1 ? decay : undefined);
  if (keepZeros !== true || dims.length < 2) return { name, dims, input: state, output };
  const mask = step.floats(
    dims,
    Float32Array.from(model.floats(name), (value) => (value === 0 ? 0 : 1)),
  );
  return { name, dims, input: state, output: { ...output, weight: step.op('Mul', [output.weight, mask]) } };
}

function notesOn(blockedBy: readonly Node[], untrained: readonly Weight[]): string[] {
  const notes = blockedBy.map((node) => `No gradient passes ${describeNode(node)}: the weights before it stay.`);
  if (untrained.length > 0) notes.push(`Not trained: ${untrained.map(({ name }) => name).join(', ')}.`);
  return notes;
}
