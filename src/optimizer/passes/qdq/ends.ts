/**
 * The layers nearest to the inputs and outputs of a model, which quantization hurts most in some models: those with no other
 * layer before or behind them. Called by static quantization. Wants the graph in topological order.
 */
import type { Graph } from '../../graph/graph.ts';
import type { Layer } from './layers.ts';

export function ends(
  graph: Graph,
  layers: readonly Layer[],
): { readonly first: ReadonlySet<Layer>; readonly last: ReadonlySet<Layer> } {
  const layerOf = new Map(layers.map((layer) => [layer.node, layer]));
  const behindLayer = new Set<string>();
  const first = new Set<Layer>();
  for (const node of graph.nodes) {
    const layer = layerOf.get(node);
    const behind = [...node.inputs, ...node.bodies.uses].some((input) => behindLayer.has(input));
    if (layer !== undefined && !behind) first.add(layer);
    if (layer !== undefined || behind) for (const output of node.outputs) behindLayer.add(output);
  }
  const beforeLayer = new Set<string>();
  const last = new Set<Layer>();
  for (const node of graph.nodes.toReversed()) {
    const layer = layerOf.get(node);
    const before = node.outputs.some((output) => beforeLayer.has(output));
    if (layer !== undefined && !before) last.add(layer);
    if (layer !== undefined || before)
      for (const input of [...node.inputs, ...node.bodies.uses]) beforeLayer.add(input);
  }
  return { first, last };
}
