/**
 * Weight-only INT8 and INT4: weights of MatMul and Gemm become codes with a scale per block, each rounded to the nearest, for
 * ONNX Runtime's MatMulNBits. Needs no calibration. Written as that operator and not as DequantizeLinear, which the runtime would
 * compute anew for all weights on every run. gptq.ts rounds with more care.
 */
import { setImmediate } from 'node:timers/promises';
import type { LayerChange, Pass } from '../pass.ts';
import { layerWeights } from './linear/layer-weights.ts';
import { roundToNearest } from './nbits/block-codes.ts';
import { replaceLayer } from './nbits/replace-layer.ts';
import type { WeightOnlySettings } from './nbits/settings.ts';
import { describeSettings, findWeightOnlyLayers, settingsFor, withDefaults } from './nbits/settings.ts';

export type { WeightOnlySettings } from './nbits/settings.ts';

export const weightOnly: Pass<WeightOnlySettings> = async (graph, settings, { signal, onProgress }) => {
  const block = withDefaults(settings);
  const { layers, skipped } = findWeightOnlyLayers(graph, settings.exclude, block);
  if (layers.length > 0) graph.fixConstants();
  const changed: LayerChange[] = [];
  for (const [index, layer] of layers.entries()) {
    signal?.throwIfAborted();
    const codes = roundToNearest(layerWeights(layer), layer.inner, layer.outer, settingsFor(block, layer));
    changed.push(replaceLayer(graph, layer, codes, block.accuracyLevel));
    onProgress((index + 1) / layers.length, changed.at(-1)!.node);
    await setImmediate();
  }
  if (changed.length > 0) graph.removeUnused();
  return {
    title: `weight-only ${describeSettings(block)} (round to nearest, scale by ${block.scaleSearch})`,
    changed,
    skipped,
    notes: changed.length === 0 ? ['The model has no layer whose weights could be stored so.'] : [],
    ...(changed.length === 0 ? {} : { expectedFused: { MatMulNBits: changed.length } }),
  };
};
