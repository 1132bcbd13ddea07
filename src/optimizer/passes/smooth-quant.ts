/**
 * Moves the difficulty of quantizing from activations into weights: channels with large values are divided by a factor, the
 * weights that take them multiplied by it. Answers stay what they were, up to rounding; INT8 after it gets finer steps.
 * Source: Xiao et al., "SmoothQuant" (2022). Called by `optimize` before INT8 of transformers and nets with uneven channels.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import { makeTensor } from '../../onnx-file/model.ts';
import { observe } from '../calibrate/observe.ts';
import type { Graph } from '../graph/graph.ts';
import type { LayerChange, PassContext, PassReport } from '../pass.ts';
import { channelAbsMax, channelView } from '../quantize/per-channel.ts';
import { keyOf } from './qdq/layers.ts';
import type { Scalable, ScaledConstant } from './qdq/scalable.ts';
import { findScalables } from './qdq/scalable.ts';

export interface SmoothQuantSettings {
  /** How much of the difficulty moves: 0 nothing of the activations', 1 all of it. @default 0.5 */
  readonly alpha?: number | undefined;
}

/** Factors beyond would meet the limits of float32 in deep chains. */
const largestFactor = 1e4;

/** @throws INVALID_INPUT: no calibration data, alpha out of range, values that are not finite; CANCELLED */
export async function smoothQuant(
  graph: Graph,
  { alpha = 0.5 }: SmoothQuantSettings,
  context: PassContext,
): Promise<PassReport> {
  if (!(alpha >= 0 && alpha <= 1)) throw invalidInput('alpha', 'Alpha must be from 0 to 1.', '0.5', String(alpha));
  if (context.calibration === undefined) {
    throw invalidInput('calibration', 'SmoothQuant needs calibration data: rows as the model will see them.');
  }
  graph.sortTopologically();
  graph.fixConstants();
  const found = findScalables(graph);
  const largest = await largestOf(graph, found, context);
  const changed: LayerChange[] = [];
  const skipped: LayerChange[] = [];
  for (const scalable of found) {
    if (context.signal?.aborted) throw new HotpathError('CANCELLED', 'SmoothQuant was cancelled.');
    const seen = largest.get(scalable.value)!;
    const factors = factorsFor(graph, scalable, seen, alpha);
    const what = `channels of "${scalable.value}" evened out`;
    for (const { node } of scalable.takers) changed.push({ node: keyOf(node), opType: node.opType, what });
    for (const source of scalable.sources) scale(graph, source, (index) => 1 / factors[index]!);
    for (const taker of scalable.takers) scale(graph, taker, (index) => factors[index]!);
  }
  graph.removeUnused();
  context.onProgress(1, 'scaled');
  const notes = found.length > 0 ? [] : ['No layer has a norm or a layer before it that could take up the factors.'];
  return { title: `SmoothQuant (alpha ${alpha})`, changed, skipped, notes };
}

/** Largest magnitude of each channel on the calibration data. */
async function largestOf(
  graph: Graph,
  found: readonly Scalable[],
  { runner, calibration, signal, onProgress }: PassContext,
): Promise<Map<string, Float32Array>> {
  const axes = new Map(found.map(({ value, channelAxis }) => [value, channelAxis]));
  const largest = new Map<string, Float32Array>();
  if (found.length === 0) return largest;
  const report = (done: number, rows: number): void => onProgress((0.9 * done) / rows, `seen ${done} of ${rows} rows`);
  const options = { runner, data: calibration!, values: [...axes.keys()], signal, onProgress: report };
  await observe(graph, options, (value, data, shape) => {
    const seen = channelAbsMax(data, channelView(shape, axes.get(value)!));
    const before = largest.get(value);
    largest.set(value, before === undefined ? seen : seen.map((top, index) => Math.max(top, before[index]!)));
  });
  return largest;
}

function factorsFor(graph: Graph, { takers }: Scalable, activations: Float32Array, alpha: number): Float32Array {
  const weights = new Float32Array(activations.length);
  for (const { node, index, axis } of takers) {
    const constant = graph.constantOf(node.inputs[index]!)!;
    for (const [channel, top] of channelAbsMax(constant.floats(), channelView(constant.dims, axis)).entries()) {
      weights[channel] = Math.max(weights[channel]!, top);
    }
  }
  return activations.map((activation, channel) => {
    // A channel that is dead on either side has nothing to even out.
    if (activation === 0 || weights[channel] === 0) return 1;
    const factor = activation ** alpha / weights[channel]! ** (1 - alpha);
    return Math.min(Math.max(factor, 1 / largestFactor), largestFactor);
  });
}

/** Under a new name, because others may share the constant. */
function scale(graph: Graph, { node, index, axis }: ScaledConstant, factorOf: (channel: number) => number): void {
  const constant = graph.constantOf(node.inputs[index]!)!;
  const { channels, inner } = channelView(constant.dims, axis);
  const scaled = constant.floats().map((value, i) => value * factorOf(Math.floor(i / inner) % channels));
  const name = graph.freshName(`${constant.name}_smooth`);
  graph.addInitializer(makeTensor(name, 'float32', constant.dims, scaled as Float32Array<ArrayBuffer>));
  graph.replaceInput(node, index, name);
}
