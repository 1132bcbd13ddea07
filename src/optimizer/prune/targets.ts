/** The sums of the original model at sampled places: what repaired layers aim at. Called by the repair pass. */
import { observe } from '../calibrate/observe.ts';
import type { Graph } from '../graph/graph.ts';
import type { PassContext } from '../pass.ts';
import type { RepairLayer } from './repair-layer.ts';
import { placesOf, SamplePlan, sampleOutputs } from './sample-rows.ts';

export interface Targets {
  readonly plan: SamplePlan;
  /** [samples, outputs of the layer as it now is] */
  readonly values: Float32Array<ArrayBuffer>;
  /** Of the original. */
  readonly outputShape: readonly number[];
}

interface TargetSettings {
  readonly kept?: ReadonlyMap<string, readonly number[]>;
  readonly samples?: number;
}

/** By name of the sum; those whose first axis is not that of the rows are absent. Runs the original once over the data. */
export async function collectTargets(
  original: Graph,
  layers: readonly RepairLayer[],
  { kept, samples }: TargetSettings,
  { runner, calibration, signal, random }: PassContext,
): Promise<ReadonlyMap<string, Targets>> {
  const byName = new Map(layers.map((layer) => [layer.output, layer]));
  const targets = new Map<string, Targets>();
  const rowsSeen = new Map<string, number>();
  const data = calibration!;
  const seen = await observe(original, { runner, data, values: [...byName.keys()], signal }, (name, floats, shape) => {
    const layer = byName.get(name)!;
    let target = targets.get(name);
    if (target === undefined) {
      const wanted = samples ?? Math.min(16_384, Math.max(4096, 3 * layer.inputs));
      const plan = new SamplePlan(data.rows, placesOf(layer, shape), wanted, random);
      target = { plan, values: new Float32Array(plan.samples * layer.outputs), outputShape: shape };
      targets.set(name, target);
    }
    const row = rowsSeen.get(name) ?? 0;
    rowsSeen.set(name, row + shape[0]!);
    if (row + shape[0]! > data.rows) return;
    const channels = kept?.get(name) ?? Array.from({ length: layer.outputs }, (_, index) => index);
    sampleOutputs(layer, target.plan, floats, shape, row, channels, target.values);
  });
  for (const [name, rows] of rowsSeen) if (rows !== seen) targets.delete(name);
  return targets;
}
