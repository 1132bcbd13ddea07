/**
 * Unstructured pruning: sets the smallest weights to zero, layer by layer or over all layers at once, and repairs the others on
 * calibration data. The file only gets smaller when it is packed, and no CPU runtime is faster for it: the report says so.
 * Called by the optimize command.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { LayerChange, Pass } from '../pass.ts';
import { replaceConstant } from '../prune/replace-constant.ts';
import { repair } from './repair.ts';

export interface PruneMagnitudeSettings {
  /** Part of the weights that becomes zero, 0 to 0.99. @default 0.5 */
  readonly share?: number;
  /** One threshold for each layer, or one for all, which spares layers that have few weights to lose. @default 'global' */
  readonly scope?: 'layer' | 'global';
  /** @default true with calibration data */
  readonly repair?: boolean;
}

interface Weight {
  readonly node: string;
  readonly opType: string;
  readonly name: string;
  /** The sums that it makes. */
  readonly output: string;
  readonly values: Float32Array;
}

/** @throws INVALID_INPUT for a share out of range, NaN in a weight, and a model without float32 weights */
export const pruneMagnitude: Pass<PruneMagnitudeSettings> = async (graph, settings, context) => {
  const { share = 0.5, scope = 'global' } = settings;
  if (!(share > 0 && share <= 0.99)) throw invalidInput('share', 'share must be above 0, at most 0.99.');
  const skipped: LayerChange[] = [];
  const weights = prunable(graph, skipped);
  if (weights.length === 0) throw invalidInput('model', 'The model has no float32 weights of layers to prune.');
  const original = graph.clone();
  const limit =
    scope === 'global'
      ? magnitudeAt(
          weights.map(({ values }) => values),
          share,
        )
      : undefined;
  const changed = weights.map((weight): LayerChange => {
    const zeros = prune(graph, weight, limit ?? magnitudeAt([weight.values], share));
    const what = `${Math.round((100 * zeros) / weight.values.length)} % of ${weight.values.length} weights are zero`;
    return { node: weight.node, opType: weight.opType, what };
  });
  const title = `magnitude pruning (${Math.round(share * 100)} %, ${scope === 'global' ? 'over all layers' : 'per layer'})`;
  const notes = ['The zeros only make a compressed file smaller: no CPU runtime is faster for them.'];
  if (context.calibration === undefined || settings.repair === false) return { title, changed, skipped, notes };
  const layers = new Set(weights.map(({ output }) => output));
  const repaired = await repair(graph, { original, layers, keepZeros: true }, context);
  return {
    title: `${title} with least-squares repair`,
    changed: [...changed, ...repaired.changed],
    skipped: [...skipped, ...repaired.skipped],
    notes: [...notes, ...repaired.notes],
  };
};

function prunable(graph: Graph, skipped: LayerChange[]): Weight[] {
  const weights = new Map<string, Weight>();
  for (const node of graph.nodes) {
    if (!['Conv', 'Gemm', 'MatMul'].includes(node.opType) || node.domain !== '') continue;
    const name = node.inputs[1] ?? '';
    const constant = name === '' ? undefined : graph.constantOf(name);
    const entry = { node: node.name || node.outputs[0]!, opType: node.opType };
    if (constant === undefined) skipped.push({ ...entry, what: 'no constant weights' });
    else if (constant.datatype !== 'float32') skipped.push({ ...entry, what: `weights are ${constant.datatype}` });
    else if (!weights.has(name) && constant.elementCount > 0) {
      const values = constant.floats();
      const bad = values.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0)
        throw invalidInput(
          name,
          `Weight "${name}" of ${entry.opType} "${entry.node}" has ${values[bad]} at element ${bad}.`,
        );
      weights.set(name, { ...entry, name, output: node.outputs[0]!, values });
    }
  }
  return [...weights.values()];
}

/** The magnitude that `share` of all values lie below. */
function magnitudeAt(lists: readonly Float32Array[], share: number): number {
  const all = new Float32Array(lists.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const values of lists) for (const value of values) all[at++] = Math.abs(value);
  all.sort();
  return all[Math.min(all.length - 1, Math.floor(all.length * share))]!;
}

/** @returns how many are zero now */
function prune(graph: Graph, { name, values }: Weight, limit: number): number {
  const pruned = Float32Array.from(values, (value) => (Math.abs(value) < limit ? 0 : value));
  replaceConstant(graph, name, graph.constantOf(name)!.dims, pruned);
  return pruned.reduce((zeros, value) => zeros + (value === 0 ? 1 : 0), 0);
}
