/**
 * Weight-only INT8 and INT4 with GPTQ: each layer is rounded so that its answers on calibration rows change least. The rows go
 * through the original model; sums over the inputs of as many layers as fit the memory limit are taken in one go, then those
 * layers are rounded one by one. Layers that are too wide, and all layers without calibration data, are rounded to the nearest.
 */
import { setImmediate } from 'node:timers/promises';
import type { Graph } from '../graph/graph.ts';
import { withOutputs } from '../graph/infer-shapes.ts';
import { openGraph } from '../graph/open-graph.ts';
import type { Dataset, LayerChange, Pass, PassContext } from '../pass.ts';
import type { LinearLayer } from './linear/find-layers.ts';
import { layerWeights } from './linear/layer-weights.ts';
import type { BlockCodes } from './nbits/block-codes.ts';
import { roundToNearest } from './nbits/block-codes.ts';
import type { GptqOptions } from './nbits/gptq-round.ts';
import { roundGptq } from './nbits/gptq-round.ts';
import { collectGrams } from './nbits/layer-inputs.ts';
import { openProductModel } from './nbits/product-model.ts';
import { replaceLayer } from './nbits/replace-layer.ts';
import type { WeightOnlySettings } from './nbits/settings.ts';
import { describeSettings, findWeightOnlyLayers, settingsFor, withDefaults } from './nbits/settings.ts';
import { weightOnly } from './weight-only.ts';

export interface GptqSettings extends WeightOnlySettings {
  /** Share of the mean squared input that is added to each: more trusts the calibration rows less. @default 0.01 */
  readonly damping?: number;
  /** Rounds the weights of the liveliest inputs first; a little better, with scales of the weights as they were. @default false */
  readonly actOrder?: boolean;
  /** Rows of a layer's input that are looked at; a sequence gives one per position. @default 2048 */
  readonly mostRows?: number;
  /** Wider layers are rounded to the nearest: time grows with the cube, memory with the square. @default 4096 */
  readonly widestInner?: number;
  /** For the sums of layers that are treated together; one layer of 4096 takes 134 MB. @default 400e6 */
  readonly memoryBytes?: number;
}

export const gptq: Pass<GptqSettings> = async (graph, settings, context) => {
  const { calibration } = context;
  if (calibration === undefined || calibration.rows === 0) {
    const report = await weightOnly(graph, settings, context);
    return { ...report, notes: [...report.notes, 'Without calibration data GPTQ is rounding to the nearest.'] };
  }
  const block = withDefaults(settings);
  const { damping = 0.01, actOrder = false, mostRows = 2048, widestInner = 4096, memoryBytes = 400e6 } = settings;
  const { layers, skipped } = findWeightOnlyLayers(graph, settings.exclude, block);
  const narrow = layers.filter(({ inner }) => inner <= widestInner);
  if (layers.length > 0) graph.fixConstants();
  const changed: LayerChange[] = [];
  const progress = (what: string): void => context.onProgress(changed.length / layers.length, what);
  const report = (layer: LayerChange): void => {
    changed.push(layer);
    progress(layer.node);
  };
  const job: Job = { graph, context, calibration, options: { ...block, damping, actOrder }, mostRows, progress };
  for await (const [layer, codes] of roundAll(job, narrow, memoryBytes)) {
    report(replaceLayer(graph, layer, codes, block.accuracyLevel));
  }
  for (const layer of layers) {
    if (layer.inner <= widestInner) continue;
    await pause(context);
    const codes = roundToNearest(layerWeights(layer), layer.inner, layer.outer, settingsFor(block, layer));
    const change = replaceLayer(graph, layer, codes, block.accuracyLevel);
    report({ ...change, what: `${change.what}; rounded to the nearest, being wider than ${widestInner}` });
  }
  if (changed.length > 0) graph.removeUnused();
  return {
    title: `weight-only ${describeSettings(block)} (GPTQ${actOrder ? ', act order' : ''}, scale by ${block.scaleSearch})`,
    changed,
    skipped,
    notes: changed.length === 0 ? ['The model has no layer whose weights could be stored so.'] : [],
    ...(changed.length === 0 ? {} : { expectedFused: { MatMulNBits: changed.length } }),
  };
};

interface Job {
  readonly graph: Graph;
  readonly context: PassContext;
  readonly calibration: Dataset;
  readonly options: GptqOptions;
  readonly mostRows: number;
  readonly progress: (what: string) => void;
}

/** Runs the calibration rows once for each group of layers; the graph may be edited between layers. */
async function* roundAll(
  { graph, context, calibration, options, mostRows, progress }: Job,
  layers: readonly LinearLayer[],
  memoryBytes: number,
): AsyncIterable<[LinearLayer, BlockCodes]> {
  if (layers.length === 0) return;
  const giveWay = (): Promise<void> => pause(context);
  const values = new Set(layers.map(({ input }) => input).filter((input) => !graph.isGraphInput(input)));
  const model = await openGraph(withOutputs(graph, [...values]), context.runner);
  const product = await openProductModel(context.runner).catch(async (error: unknown) => {
    await model.close();
    throw error;
  });
  try {
    for (const group of groupByMemory(layers, memoryBytes)) {
      const requests = [...group].map(([value, [layer]]) => ({ value, width: layer!.inner }));
      progress(`what goes into ${requests.length} layers`);
      const grams = await collectGrams(model, calibration, requests, mostRows, giveWay);
      for (const [value, members] of group) {
        for (const layer of members) {
          const [weights, gram] = [layerWeights(layer), grams.get(value)!];
          const own = settingsFor(options, layer);
          yield [layer, await roundGptq(weights, layer.inner, layer.outer, gram, own, product.multiply, giveWay)];
        }
      }
    }
  } finally {
    await Promise.all([model.close(), product.close()]);
  }
}

/** Lets other work run. @throws what the signal was aborted with */
async function pause({ signal }: PassContext): Promise<void> {
  signal?.throwIfAborted();
  await setImmediate();
}

/** Layers by the value they take, in portions whose sums fit; a single one may be larger than the limit. */
function* groupByMemory(
  layers: readonly LinearLayer[],
  memoryBytes: number,
): Iterable<ReadonlyMap<string, readonly LinearLayer[]>> {
  let group = new Map<string, LinearLayer[]>();
  let bytes = 0;
  for (const [value, members] of Map.groupBy(layers, ({ input }) => input)) {
    const needed = members[0]!.inner ** 2 * 8;
    if (bytes > 0 && bytes + needed > memoryBytes) {
      yield group;
      group = new Map();
      bytes = 0;
    }
    group.set(value, members);
    bytes += needed;
  }
  if (group.size > 0) yield group;
}
