/**
 * How much each channel matters. By activations: the mean square of what it carries times the squares of all weights that take
 * it, which is what its loss adds to the squared error of the next layers before any repair; clearly better than by
 * weights, the sum of absolute weights that make it. Called by the structured pruning pass.
 */
import { observe } from '../calibrate/observe.ts';
import type { PassContext } from '../pass.ts';
import type { ChannelFlow, LayerSide } from './channel-flow.ts';

export type Importance = 'activations' | 'weights';

/** @returns by root slot */
export async function measureImportance(
  flow: ChannelFlow,
  kind: Importance,
  context: Pick<PassContext, 'runner' | 'calibration' | 'signal'>,
): Promise<Float64Array> {
  const scores = new Float64Array(flow.slots.size);
  if (kind === 'weights' || context.calibration === undefined) {
    for (const side of flow.producers) addWeights(flow, side, scores, Math.abs);
    return scores;
  }
  const { runner, calibration: data, signal } = context;
  const values = [...new Set(flow.consumers.map(({ value }) => value))];
  const squares = new Map(values.map((value) => [value, new Float64Array(channelsOf(flow, value))]));
  if (values.length > 0) {
    await observe(flow.graph, { runner, data, values, signal }, (value, floats, shape) =>
      addSquares(floats, shape, flow.maps.get(value)!.axis, squares.get(value)!),
    );
  }
  for (const side of flow.consumers) {
    const means = squares.get(side.value)!;
    addWeights(
      flow,
      side,
      scores,
      (weight) => weight * weight,
      (at) => means[at]! / data.rows,
    );
  }
  return scores;
}

function channelsOf(flow: ChannelFlow, value: string): number {
  const { slots, span } = flow.maps.get(value)!;
  return slots.length * span;
}

function addSquares(floats: Float32Array, shape: readonly number[], axis: number, sums: Float64Array): void {
  const inner = shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const size = shape[axis]!;
  for (let start = 0, place = 0; start < floats.length; start += inner, place = (place + 1) % size) {
    let sum = 0;
    for (let i = start; i < start + inner; i++) sum += floats[i]! * floats[i]!;
    sums[place]! += sum;
  }
}

/** Adds `measure` of all weights of a slot to its score, times the factor of their place along the axis. */
function addWeights(
  { graph, slots }: ChannelFlow,
  { weight, axis, slots: own, span }: LayerSide,
  scores: Float64Array,
  measure: (weight: number) => number,
  factor: (at: number) => number = () => 1,
): void {
  const { dims } = graph.constantOf(weight)!;
  const values = graph.floats(weight);
  const inner = dims.slice(axis + 1).reduce((product, size) => product * size, 1);
  const size = dims[axis]!;
  const sums = new Float64Array(size);
  for (let start = 0, place = 0; start < values.length; start += inner, place = (place + 1) % size) {
    for (let i = start; i < start + inner; i++) sums[place]! += measure(values[i]!);
  }
  for (const [index, slot] of own.entries()) {
    const root = slots.find(slot);
    for (let k = index * span; k < (index + 1) * span; k++) scores[root]! += sums[k]! * factor(k);
  }
}
