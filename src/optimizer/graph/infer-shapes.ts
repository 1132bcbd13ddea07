/**
 * Shapes and datatypes of every value, by running the graph once with all of them as outputs. Called by passes that need them;
 * what a file says of its inner values may be missing or wrong, this is what they are.
 */
import type { Datatype, Tensor } from '../../core/tensor.ts';
import type { Feeds, ModelRunner } from '../pass.ts';
import type { Graph } from './graph.ts';
import { openGraph } from './open-graph.ts';

export interface KnownShape {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
}

/**
 * @param feeds one tensor per input, such as a single row: shapes are those of this run
 * @returns by value name: inputs, and what nodes make. Sequences, and types that cannot be fetched, are absent; so are values
 * inside of bodies.
 * @throws MODEL_FAILED, ENGINE_FAILED in the runtime's words
 */
export async function inferShapes(graph: Graph, runner: ModelRunner, feeds: Feeds): Promise<Map<string, KnownShape>> {
  const values = await fetchValues(graph, runner, feeds);
  const shapes = new Map<string, KnownShape>();
  for (const [name, { datatype, shape }] of [...Object.entries(feeds), ...Object.entries(values)]) {
    shapes.set(name, { datatype, shape });
  }
  return shapes;
}

/** Values inside a graph, as they are in one run. @param wanted names @default all that nodes make */
export async function fetchValues(
  graph: Graph,
  runner: ModelRunner,
  feeds: Feeds,
  wanted: readonly string[] = graph.nodes.flatMap(({ outputs }) => outputs.filter((output) => output !== '')),
): Promise<Readonly<Record<string, Tensor>>> {
  const model = await openGraph(withOutputs(graph, wanted), runner, { graphOptimizationLevel: 'basic' });
  try {
    const open = new Set(model.outputs.map(({ name }) => name));
    return await model.run(
      feeds,
      wanted.filter((name) => open.has(name)),
    );
  } finally {
    await model.close();
  }
}

/** A copy whose outputs are those of the graph and `values`. */
export function withOutputs(graph: Graph, values: readonly string[]): Graph {
  const probe = graph.clone();
  for (const value of values) probe.addUntypedOutput(value);
  return probe;
}
