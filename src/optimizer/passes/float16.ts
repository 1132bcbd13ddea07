/**
 * FP16: the whole graph computes in float16, but for operators that cannot. Halves the file; faster where the hardware computes
 * in float16 (GPUs), not on x64 processors, where float16-weights.ts gives the same file size with float32 answers. Callers keep
 * sending and getting float32 unless they say otherwise. Bodies of If, Loop and Scan stay float32.
 */
import type { Graph } from '../graph/graph.ts';
import type { Node } from '../graph/node.ts';
import type { Pass } from '../pass.ts';
import { convertPrecision } from './half/convert-precision.ts';
import { HalfConstants } from './half/half-constants.ts';
import { isSingleInput, singleOperators } from './half/operator-types.ts';
import { findValuesOf } from './half/values-of-type.ts';
import { layerName } from './linear/find-layers.ts';

export interface Float16Settings {
  /** Inputs and outputs of the model stay float32. @default true */
  readonly keepIoTypes?: boolean;
  /** Further operators that stay float32. */
  readonly blockOps?: readonly string[] | undefined;
  /** Names of nodes, as reports give them, that stay float32. */
  readonly exclude?: readonly string[] | undefined;
}

export const float16: Pass<Float16Settings> = async (graph, settings, { runner, signal, onProgress }) => {
  const { keepIoTypes = true, blockOps, exclude } = settings;
  const title = `FP16${keepIoTypes ? '' : ' with float16 inputs and outputs'}`;
  graph.fixConstants();
  const values = await findValuesOf('float32', graph, runner);
  signal?.throwIfAborted();
  const reasonOf = (node: Node): string | undefined => {
    if (exclude?.includes(layerName(node))) return 'excluded by the settings';
    if (node.bodies.uses.size > 0 || node.bodies.makes.size > 0) return 'its bodies stay float32';
    if (node.domain !== '') return `float16 is not known of operators of ${node.domain}`;
    return singleOperators.has(node.opType) || blockOps?.includes(node.opType) ? 'stays float32' : undefined;
  };
  const opset = graph.head.opset() ?? 0;
  const keepsInput = (node: Node, index: number) => isSingleInput(node, index, opset);
  const constants = new HalfConstants(graph);
  const conversion = { from: 'float32', to: 'float16', values, constants, keepIoTypes, keepsInput } as const;
  const converted = convertPrecision(graph, conversion, reasonOf);
  onProgress(1, 'whole graph');
  const isNothing = converted.changed.length + converted.skipped.length === 0;
  return { title, ...converted, notes: isNothing ? [whyNothing(graph)] : constants.notes() };
};

function whyNothing(graph: Graph): string {
  const isHalf = graph.initializers.some(({ datatype }) => datatype === 'float16');
  return isHalf ? 'The model is float16 already.' : 'The model has no float32 values.';
}
