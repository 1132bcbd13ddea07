/**
 * Proof from the graph that the runtime really runs: the operators that a pass promised are there, and no weight is dequantized at run time,
 * which explains every quantized model that is slower than its original. Called by plan/ with the file that the runtime saved.
 */
import type { Graph } from '../graph/graph.ts';

export interface FusionProof {
  readonly proven: boolean;
  /** Sentences, empty when proven. */
  readonly problems: readonly string[];
  /** Operators of the optimized graph with their counts. */
  readonly operators: Readonly<Record<string, number>>;
}

const mostNamed = 3;

/** @param expected operators with the least count of each, as the pass promised */
export function proveFusion(optimized: Graph, expected: Readonly<Record<string, number>> = {}): FusionProof {
  const operators: Record<string, number> = {};
  const unfused: string[] = [];
  for (const node of optimized.nodes) {
    operators[node.opType] = (operators[node.opType] ?? 0) + 1;
    const weight = node.opType === 'DequantizeLinear' ? optimized.constantOf(node.inputs[0] ?? '') : undefined;
    if (weight !== undefined && weight.dims.length >= 2) unfused.push(weight.name);
  }
  const problems: string[] = [];
  for (const [operator, count] of Object.entries(expected)) {
    const found = operators[operator] ?? 0;
    if (found < count) problems.push(`The runtime fused ${found} of ${count} ${operator}.`);
  }
  if (unfused.length > 0) {
    const names = unfused.slice(0, mostNamed).map((name) => `"${name}"`);
    const more = unfused.length > mostNamed ? ' and others' : '';
    problems.push(`${unfused.length} weights are dequantized on every run: ${names.join(', ')}${more}.`);
  }
  return { proven: problems.length === 0, problems, operators };
}
