/**
 * Least-squares repair: gives the layers of a changed model the weights that best bring back the sums of the original, layer by
 * layer, from inputs that the model already repaired so far makes. Called after pruning, and by itself after other changes that keep
 * float weights. A layer's change is only taken where it also helps on samples held out.
 */
import { invalidInput } from '../../core/errors.ts';
import { observe } from '../calibrate/observe.ts';
import { outputsOnly } from '../finetune/step-inputs.ts';
import type { Graph } from '../graph/graph.ts';
import { solveRidge } from '../linear-algebra/ridge.ts';
import type { Dataset, Feeds, LayerChange, PassContext, PassReport } from '../pass.ts';
import { throwIfCancelled } from '../prune/cancel.ts';
import { solveMasked } from '../prune/masked-solve.ts';
import { NormalEquations } from '../prune/normal-equations.ts';
import type { RepairLayer } from '../prune/repair-layer.ts';
import { changeLayer, layerMatrix, repairLayer } from '../prune/repair-layer.ts';
import { sampleInputs } from '../prune/sample-rows.ts';
import { collectTargets, type Targets } from '../prune/targets.ts';

export interface RepairSettings {
  /** The model whose sums are aimed at; its values have the same names. */
  readonly original: Graph;
  /** Names of the sums (outputs of Conv, Gemm, MatMul) to repair. @default those whose weights differ from the original's */
  readonly layers?: ReadonlySet<string>;
  /** Channels of the original that a sum still has, where not all. */
  readonly kept?: ReadonlyMap<string, readonly number[]>;
  /** Whether weights that are 0 stay so: after unstructured pruning. @default false */
  readonly keepZeros?: boolean;
  /** Share of the mean square of the inputs that holds weights to what they are. @default what does best on samples held out */
  readonly damping?: number;
  /** Samples per layer; patches of a Conv are drawn at random. @default three per input, 4,096 to 16,384 */
  readonly samples?: number;
  /** Layers with more inputs are left alone. @default 5000 */
  readonly maxInputs?: number;
}

/** Cholesky's work grows with the cube; beyond it conjugate gradients. */
const mostFactored = 1600;
const heldOutShare = 0.1;

/** @throws INVALID_INPUT without calibration data */
export async function repair(graph: Graph, settings: RepairSettings, context: PassContext): Promise<PassReport> {
  const { calibration } = context;
  if (calibration === undefined) throw invalidInput('data', 'Repair needs calibration data.');
  const skipped: LayerChange[] = [];
  const changed: LayerChange[] = [];
  const layers = chosenLayers(graph, settings, skipped);
  let done = 0;
  for (const chunk of chunks(layers, settings)) {
    const targets = await collectTargets(settings.original, chunk, settings, context);
    for (const layer of chunk) {
      throwIfCancelled(context.signal);
      const aim = targets.get(layer.output);
      const { gain, why } = aim === undefined ? notByRow : await repairOne(graph, layer, aim, settings, context);
      const entry = { node: layer.node.name || layer.output, opType: layer.node.opType };
      if (why !== undefined) skipped.push({ ...entry, what: why });
      else changed.push({ ...entry, what: `repaired: ${gain!.toFixed(1)} dB nearer to the original's sums` });
      context.onProgress(++done / layers.length, `repaired ${layer.output}`);
    }
  }
  graph.removeUnused();
  const rows = `${calibration.rows} calibration rows`;
  return { title: 'least-squares repair', changed, skipped, notes: [`Layers were repaired on ${rows}.`] };
}

function chosenLayers(graph: Graph, settings: RepairSettings, skipped: LayerChange[]): RepairLayer[] {
  graph.sortTopologically();
  const layers: RepairLayer[] = [];
  for (const node of graph.nodes) {
    const layer = repairLayer(graph, node);
    const output = node.outputs[0]!;
    if (layer === undefined || !(settings.layers?.has(output) ?? differs(graph, settings.original, output))) continue;
    const skip = (what: string): void => {
      skipped.push({ node: node.name || output, opType: node.opType, what });
    };
    if (typeof layer === 'string') skip(layer);
    else if (layer.inputs > (settings.maxInputs ?? 5000)) skip(`${layer.inputs} inputs are too many to repair`);
    else layers.push(layer);
  }
  return layers;
}

function differs(graph: Graph, original: Graph, output: string): boolean {
  const [now, before] = [graph, original].map((model) => {
    const weight = model.producerOf(output)?.inputs[1] ?? '';
    return weight === '' ? undefined : model.constantOf(weight);
  });
  if (now === undefined || before === undefined) return false;
  return now.byteLength !== before.byteLength || Buffer.compare(now.raw(), before.raw()) !== 0;
}

/** So many layers at once that their targets fit into about 128 MB. */
function chunks(layers: readonly RepairLayer[], { samples = 16_384 }: RepairSettings): RepairLayer[][] {
  const lists: RepairLayer[][] = [];
  let room = 0;
  for (const layer of layers) {
    const bytes = samples * layer.outputs * 4;
    if (room < bytes) {
      lists.push([]);
      room = 128 * 2 ** 20;
    }
    room -= bytes;
    lists.at(-1)!.push(layer);
  }
  return lists;
}

interface Outcome {
  /** In dB, on samples held out. */
  readonly gain?: number;
  /** Why nothing was changed. */
  readonly why?: string;
}

async function repairOne(
  graph: Graph,
  layer: RepairLayer,
  targets: Targets,
  settings: RepairSettings,
  context: PassContext,
): Promise<Outcome> {
  const width = layer.inputs + 1;
  const matrix = layerMatrix(graph, layer);
  const equations = await NormalEquations.open(context.runner, width, layer.outputs);
  try {
    const held = await addSamples(graph, layer, targets, equations, matrix, context);
    const before = await equations.squaredError(held.x, held.z, matrix);
    const mask = settings.keepZeros === true ? freeEntries(graph, layer) : undefined;
    const best = await bestChange(settings.damping, width > mostFactored, before, async (damping) => {
      const change = await solve(equations, width, layer, damping, mask, context);
      const moved = matrix.map((value, i) => value + change[i]!);
      const error = await equations.squaredError(held.x, held.z, moved);
      return { change, error };
    });
    if (best === undefined) return { why: 'no weights were found that do better on samples held out' };
    changeLayer(graph, layer, best.change);
    return { gain: 10 * Math.log10(before / best.error) };
  } finally {
    await equations.close();
  }
}

const notByRow: Outcome = { why: 'its first axis is not that of the rows: not repaired' };

interface Attempt {
  readonly change: Float64Array;
  /** On samples held out. */
  readonly error: number;
}

/**
 * Too little damping fits the samples instead of the layer, too much changes nothing. The best lay between 0.005 and 0.2 on all
 * layers measured: small layers try their way from 0.03, big ones take one solve.
 */
async function bestChange(
  given: number | undefined,
  isBig: boolean,
  before: number,
  attempt: (damping: number) => Promise<Attempt>,
): Promise<Attempt | undefined> {
  const start = given ?? (isBig ? 0.1 : 0.03);
  let best = await attempt(start);
  const tries = given === undefined && !isBig ? [5, 0.2] : best.error < before ? [] : [10];
  for (const factor of tries) {
    const next = await attempt(start * factor);
    if (!(next.error < best.error)) continue;
    best = next;
    break;
  }
  return best.error < before ? best : undefined;
}

interface Samples {
  readonly x: Float32Array<ArrayBuffer>;
  readonly z: Float32Array<ArrayBuffer>;
}

/** @returns the samples held out: the last ones */
async function addSamples(
  graph: Graph,
  layer: RepairLayer,
  { plan, values, outputShape }: Targets,
  equations: NormalEquations,
  matrix: Float32Array<ArrayBuffer>,
  { runner, calibration, signal }: PassContext,
): Promise<Samples> {
  const cut = graph.isGraphInput(layer.input) ? graph : outputsOnly(graph, [layer.input]);
  const data = neededInputs(calibration!, cut);
  const firstHeld = Math.min(data.rows - 1, Math.floor(data.rows * (1 - heldOutShare))) * plan.perRow;
  const pieces: { x: Float32Array<ArrayBuffer>; start: number }[] = [];
  let row = 0;
  await observe(cut, { runner, data, values: [layer.input], signal }, (_, floats, shape) => {
    pieces.push({ x: sampleInputs(layer, plan, floats, shape, outputShape, row), start: row * plan.perRow });
    row += shape[0]!;
  });
  const width = layer.inputs + 1;
  const held: Samples = {
    x: new Float32Array((plan.samples - firstHeld) * width),
    z: values.slice(firstHeld * layer.outputs),
  };
  for (const { x, start } of pieces) {
    const count = x.length / width;
    const learned = Math.max(0, Math.min(count, firstHeld - start));
    held.x.set(x.subarray(learned * width), Math.max(0, start + learned - firstHeld) * width);
    const z = values.subarray(start * layer.outputs, (start + learned) * layer.outputs);
    if (learned > 0) await equations.add(x.subarray(0, learned * width), z, matrix);
  }
  return held;
}

/** The part of a model before a layer may take fewer inputs than the whole. */
function neededInputs(data: Dataset, graph: Graph): Dataset {
  const names = new Set(graph.inputs.map(({ name }) => name));
  const needed = (feeds: Feeds): Feeds => Object.fromEntries(Object.entries(feeds).filter(([name]) => names.has(name)));
  return { rows: data.rows, labels: data.labels, slice: (start, count) => needed(data.slice(start, count)) };
}

async function solve(
  { gram, cross }: NormalEquations,
  width: number,
  { outputs, inputs, bias }: RepairLayer,
  damping: number,
  mask: Uint8Array | undefined,
  { runner, signal }: PassContext,
): Promise<Float64Array> {
  const fixedBias = bias === undefined;
  const needsMask = mask !== undefined || fixedBias || width > mostFactored;
  if (!needsMask) return solveRidge(gram, width, cross, outputs, damping);
  const free = mask ?? new Uint8Array(width * outputs).fill(1);
  if (fixedBias) free.fill(0, inputs * outputs);
  return solveMasked({ gram, cross, width, columns: outputs, damping, mask: free }, runner, signal);
}

/** Weights that are not 0, and the bias. */
function freeEntries(graph: Graph, layer: RepairLayer): Uint8Array {
  const matrix = layerMatrix(graph, layer);
  const free = Uint8Array.from(matrix, (value) => (value === 0 ? 0 : 1));
  return free.fill(1, layer.inputs * layer.outputs);
}
