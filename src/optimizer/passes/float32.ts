/**
 * FP32 of a float16 model: the whole graph computes in float32, which is what other passes want to see. On x64 processors the runtime does
 * the same by itself, so that this alone makes nothing faster. Callers keep sending and getting float16. Bodies of If, Loop and Scan stay
 * float16.
 */
import type { Node } from '../graph/node.ts';
import type { Pass } from '../pass.ts';
import { convertPrecision } from './half/convert-precision.ts';
import { fixedOperators } from './half/operator-types.ts';
import { SingleConstants } from './half/single-constants.ts';
import { findValuesOf } from './half/values-of-type.ts';

/** Operators of the runtime itself are defined for both. */
const knownDomains: ReadonlySet<string> = new Set(['', 'com.microsoft']);

export const float32: Pass<Readonly<Record<string, never>>> = async (graph, _, { runner, signal, onProgress }) => {
  graph.fixConstants();
  const values = await findValuesOf('float16', graph, runner);
  signal?.throwIfAborted();
  const reasonOf = (node: Node): string | undefined => {
    if (node.bodies.uses.size > 0 || node.bodies.makes.size > 0) return 'its bodies stay float16';
    if (!knownDomains.has(node.domain)) return `float32 is not known of operators of ${node.domain}`;
    return fixedOperators.has(node.opType) ? 'stays float16' : undefined;
  };
  const constants = new SingleConstants(graph);
  const conversion = { from: 'float16', to: 'float32', values, constants, keepIoTypes: true } as const;
  const converted = convertPrecision(graph, conversion, reasonOf);
  onProgress(1, 'whole graph');
  const isNothing = converted.changed.length + converted.skipped.length === 0;
  return { title: 'FP32', ...converted, notes: isNothing ? ['The model has no float16 values.'] : [] };
};
