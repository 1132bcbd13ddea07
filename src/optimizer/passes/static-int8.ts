/**
 * Static INT8 quantization in QDQ form: uint8 activations (asymmetric, by calibration) and int8 weights (symmetric, -127 to 127,
 * one scale per channel). The runtime's integer kernels appear when it loads the result. Called by `optimize` and by mixed
 * precision. Fold BatchNormalization before: what stands between a layer and its activation keeps both from being fused.
 */
import { invalidInput } from '../../core/errors.ts';
import type { CalibrationSettings, Ranges } from '../calibrate/calibrate.ts';
import { calibrate } from '../calibrate/calibrate.ts';
import type { Graph } from '../graph/graph.ts';
import type { LayerChange, PassContext, PassReport } from '../pass.ts';
import { int8Levels, reducedInt8Levels } from '../quantize/affine.ts';
import { findBiasPairs, foldBiasIntoGemm } from './qdq/bias-into-gemm.ts';
import { emitQdq } from './qdq/emit.ts';
import { ends } from './qdq/ends.ts';
import { expectedFused } from './qdq/expected.ts';
import { foldPixels } from './qdq/fold-pixels.ts';
import { guardActivations } from './qdq/guard-activations.ts';
import type { Layer } from './qdq/layers.ts';
import { findLayer, keyOf } from './qdq/layers.ts';
import { padChannels } from './qdq/pad-channels.ts';
import { raiseOpset, ranksWanted } from './qdq/raise-opset.ts';
import { findRanks } from './qdq/ranks.ts';
import type { Regions } from './qdq/regions.ts';
import { planRegions } from './qdq/regions.ts';
import { moveReluBeforePool } from './qdq/relu-before-pool.ts';
import { tightenRanges } from './qdq/tighten-ranges.ts';

/** The first that has QLinearConv, which the runtime makes of Conv. */
const oldestIntegerOpset = 10;

export interface StaticInt8Settings extends CalibrationSettings {
  /** One weight scale per output channel, or one for the whole layer. @default true */
  readonly perChannel?: boolean | undefined;
  /** Weights within -64 to 64, for processors without VNNI, whose 16-bit sums overflow otherwise. @default false */
  readonly reduceRange?: boolean | undefined;
  /** Layers to leave float: names as the report gives them. */
  readonly exclude?: readonly string[] | undefined;
  /** Only these layers; all others stay float. */
  readonly only?: readonly string[] | undefined;
  /** Leaves the layers that are nearest to the inputs float. Costs most of the gain in CNNs. @default false */
  readonly keepFirst?: boolean | undefined;
  /** Leaves the layers that are nearest to the outputs float. @default false */
  readonly keepLast?: boolean | undefined;
  /** Integers only in layers, none handed on between them through sums, pools and the like. @default false */
  readonly onlyLayers?: boolean | undefined;
  /** From an earlier calibration of the same model; what is missing is calibrated. */
  readonly ranges?: Ranges | undefined;
}

/** @throws INVALID_INPUT: no calibration data, no layer to quantize, weights or activations that are not finite; CANCELLED */
export async function staticInt8(
  graph: Graph,
  settings: StaticInt8Settings,
  context: PassContext,
): Promise<PassReport> {
  const { layers, skipped, domain, notes } = await prepare(graph, settings, context);
  if (layers.length === 0) {
    const why = skipped[0] === undefined ? 'it has no Conv, Gemm or MatMul' : `${skipped[0].node}: ${skipped[0].what}`;
    throw invalidInput('model', `Nothing in the model can be quantized to INT8 (${why}).`);
  }
  const regions = planRegions(graph, layers, settings.onlyLayers ?? false);
  guardActivations(graph, regions);
  const ranges = await rangesFor(graph, regions, settings, context);
  const changed = changes(regions, settings);
  const fused = expectedFused(regions);
  emitQdq(graph, regions, {
    ranges: tightenRanges(graph, ranges),
    perChannel: settings.perChannel ?? true,
    weightLevels: settings.reduceRange === true ? reducedInt8Levels : int8Levels,
    domain,
  });
  if (domain !== '') graph.head.setOpset(domain, 1);
  graph.removeUnused();
  context.onProgress(1, 'written');
  return { title: titleOf(settings), changed, skipped, notes, expectedFused: fused };
}

/** Ranges of every value that quantizing all layers needs: to be given to several runs of the pass as `ranges`. */
export async function calibrateForInt8(
  graph: Graph,
  settings: StaticInt8Settings,
  context: PassContext,
): Promise<Ranges> {
  const copy = graph.clone();
  const { layers } = await prepare(copy, settings, context);
  return rangesFor(copy, planRegions(copy, layers, settings.onlyLayers ?? false), settings, context);
}

interface Prepared {
  readonly layers: readonly Layer[];
  readonly skipped: readonly LayerChange[];
  readonly domain: string;
  readonly notes: readonly string[];
}

async function prepare(graph: Graph, settings: StaticInt8Settings, context: PassContext): Promise<Prepared> {
  const notes: string[] = [];
  graph.sortTopologically();
  const norms = graph.nodes.filter(({ opType }) => opType === 'BatchNormalization').length;
  if (norms > 0) {
    notes.push(
      `${norms} BatchNormalization nodes are left: fold them into their layers first, or speed and precision are lost.`,
    );
  }
  const overridable = graph.head.irVersion >= 4;
  const fixed = graph.fixConstants().length;
  if (fixed > 0 && overridable)
    notes.push(`${fixed} constants that callers could override by inputs of the same name are fixed now.`);
  const weighed = findBiasPairs(graph).map(({ matMul }) => matMul.inputs[0]!);
  const rankOf = await findRanks(graph, [...weighed, ...ranksWanted(graph)], context);
  const reason = raiseOpset(graph, rankOf);
  if (reason !== undefined) {
    if ((graph.head.opset() ?? 0) < oldestIntegerOpset) {
      throw invalidInput('opset', `INT8 needs opset ${oldestIntegerOpset}, and the model cannot be raised: ${reason}.`);
    }
    notes.push(`The opset stays below 13 (${reason}); the runtime's own QuantizeLinear is used instead.`);
  }
  moveReluBeforePool(graph);
  foldBiasIntoGemm(graph, (value) => rankOf(value) === 2);
  const chosen = chooseLayers(graph, settings);
  const nodes = new Set(chosen.layers.map(({ node }) => node));
  const rearranged = foldPixels(graph, nodes) + padChannels(graph, nodes);
  const { layers, skipped } = rearranged === 0 ? chosen : chooseLayers(graph, settings);
  return { layers, skipped, domain: reason === undefined ? '' : 'com.microsoft', notes };
}

function chooseLayers(graph: Graph, settings: StaticInt8Settings): Pick<Prepared, 'layers' | 'skipped'> {
  const found: Layer[] = [];
  const skipped: LayerChange[] = [];
  const skip = (node: Layer['node'], what: string) => skipped.push({ node: keyOf(node), opType: node.opType, what });
  for (const node of graph.nodes) {
    const layer = findLayer(graph, node);
    if (typeof layer === 'string') skip(node, layer);
    else if (layer !== undefined) found.push(layer);
    else if (node.bodies.makes.size > 0) skip(node, 'what its bodies compute stays float');
  }
  const { first, last } = ends(graph, found);
  const reasonFor = (layer: Layer): string | undefined => {
    if (settings.exclude?.includes(layer.key)) return 'excluded by the settings';
    if (settings.only !== undefined && !settings.only.includes(layer.key)) return 'not among the chosen layers';
    if (settings.keepFirst === true && first.has(layer)) return 'a first layer, kept float';
    return settings.keepLast === true && last.has(layer) ? 'a last layer, kept float' : undefined;
  };
  const layers = found.filter((layer) => {
    const reason = reasonFor(layer);
    if (reason !== undefined) skip(layer.node, reason);
    return reason === undefined;
  });
  return { layers, skipped };
}

async function rangesFor(
  graph: Graph,
  regions: Regions,
  settings: StaticInt8Settings,
  { runner, calibration, signal, onProgress }: PassContext,
): Promise<Ranges> {
  const values = [...regions.values.keys()].filter((value) => settings.ranges?.has(value) !== true);
  if (values.length === 0) return settings.ranges!;
  if (calibration === undefined) {
    throw invalidInput('calibration', 'Static INT8 needs calibration data: rows as the model will see them.');
  }
  const report = (done: number, rows: number): void =>
    onProgress((0.95 * done) / rows, `calibrated on ${done} of ${rows} rows`);
  const found = await calibrate(graph, { runner, data: calibration, values, signal, onProgress: report }, settings);
  return new Map([...(settings.ranges ?? []), ...found]);
}

function changes({ layers, passers }: Regions, { perChannel = true }: StaticInt8Settings): LayerChange[] {
  const scales = perChannel ? 'one scale per channel' : 'one scale';
  return [
    ...layers.map(({ key, node, activation }) => ({
      node: key,
      opType: node.opType,
      what: `uint8 x int8, ${scales}${activation === undefined ? '' : `, with its ${activation.opType}`}`,
    })),
    ...passers.map(({ key, node }) => ({ node: key, opType: node.opType, what: 'passes uint8 on' })),
  ];
}

function titleOf({ method = 'min-max', perChannel = true, reduceRange, ...settings }: StaticInt8Settings): string {
  const parts = [method, perChannel ? 'per channel' : 'per tensor'];
  if (reduceRange === true) parts.push('reduced range');
  if (settings.keepFirst === true) parts.push('first layers float');
  if (settings.keepLast === true) parts.push('last layers float');
  const left = settings.exclude?.length ?? 0;
  if (left > 0) parts.push(`${left} layers float`);
  return `static INT8 (${parts.join(', ')})`;
}
