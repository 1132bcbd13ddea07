/**
 * Convolutions over few channels whose weights may be rearranged, together with what goes into them: first layers over pictures. Called by
 * fold-pixels.ts and pad-channels.ts.
 */
import type { Constant } from '../../graph/constant.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { isFixed } from './layers.ts';

export interface NarrowConvolution {
  readonly weight: Constant;
  readonly outputs: number;
  readonly channels: number;
  /** Of the kernel. */
  readonly height: number;
  readonly width: number;
}

/** Channels that the runtime's quick integer kernel takes at once. */
export const channelsAtOnce = 4;

/** Undefined: it is none, it has more channels than the kernel takes at once, or somebody else uses its weights. */
export function narrowConvolution(graph: Graph, node: Node): NarrowConvolution | undefined {
  if (node.opType !== 'Conv' || node.domain !== '' || node.int('group', 1) !== 1) return undefined;
  const [input = '', weightName = ''] = node.inputs;
  const weight = graph.constantOf(weightName);
  if (weight?.datatype !== 'float32' || weight.dims.length !== 4) return undefined;
  if (graph.constantOf(input) !== undefined) return undefined;
  if (graph.consumersOf(weightName).length > 1 || isFixed(graph, weightName)) return undefined;
  const [outputs, channels, height, width] = weight.dims as [number, number, number, number];
  return channels <= channelsAtOnce ? { weight, outputs, channels, height, width } : undefined;
}
