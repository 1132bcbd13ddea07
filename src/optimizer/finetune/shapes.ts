/** The shapes of a graph's values for one batch, found by running it: models often state none. Called by step-graph.ts. */

import { makeNode } from '../../onnx-file/model.ts';
import type { Graph } from '../graph/graph.ts';
import { openGraph } from '../graph/open-graph.ts';
import type { Feeds, ModelRunner } from '../pass.ts';
import { gradientRules } from './gradients/table.ts';
import type { Shapes } from './step-builder.ts';
import { outputsOnly } from './step-inputs.ts';

/** Of the inputs and outputs of all nodes that may be differentiated. Only shapes leave the runtime, not the values. */
export async function observeShapes(graph: Graph, feeds: Feeds, runner: ModelRunner): Promise<Shapes> {
  const copy = graph.clone();
  const shapeNames = new Map<string, string>();
  for (const node of graph.nodes) {
    if (gradientRules[node.opType] === undefined) continue;
    for (const value of [...node.inputs, ...node.outputs]) {
      if (value === '' || shapeNames.has(value) || graph.constantOf(value) !== undefined) continue;
      const name = copy.freshName('step_shape');
      copy.append(makeNode('Shape', [value], [name]));
      shapeNames.set(value, name);
    }
  }
  const open = await openGraph(outputsOnly(copy, [...shapeNames.values()]), runner);
  try {
    const found = await open.run(onlyInputs(feeds, open.inputs));
    const shapes = new Map<string, readonly number[]>();
    for (const [value, name] of shapeNames) shapes.set(value, Array.from(found[name]!.data as BigInt64Array, Number));
    return shapes;
  } finally {
    await open.close();
  }
}

/** How many rows a model exported for a fixed number takes at a time; undefined: any number. */
export function fixedRows(inputs: readonly { readonly shape: readonly number[] }[]): number | undefined {
  return inputs.map(({ shape }) => shape[0]).find((size) => size !== undefined && size > 0);
}

/** What the model takes: steps may need fewer inputs than the model they were made of. */
export function onlyInputs(feeds: Feeds, inputs: readonly { readonly name: string }[]): Feeds {
  return Object.fromEntries(inputs.map(({ name }) => [name, feeds[name]!]));
}
