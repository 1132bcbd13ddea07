/**
 * Which values of a graph are float32 tensors. Called by float16.ts before it changes anything. What the model says is believed;
 * the rest is asked of the runtime, by opening the model with those values as outputs.
 */
import type { Graph } from '../../graph/graph.ts';
import { withOutputs } from '../../graph/infer-shapes.ts';
import { openGraph } from '../../graph/open-graph.ts';
import type { ModelRunner } from '../../pass.ts';

const makesSequence = /^(Sequence(Construct|Empty|Insert|Erase|Map)|SplitToSequence|Optional)$/;

/** Inputs and what nodes make; constants are not among them. @throws MODEL_FAILED in the runtime's words */
export async function findFloatValues(graph: Graph, runner: ModelRunner): Promise<Set<string>> {
  const floats = new Set<string>();
  const unknown: string[] = [];
  const tensors = graph.nodes.filter(({ opType }) => !makesSequence.test(opType));
  const made = tensors.flatMap(({ outputs }) => outputs.filter((output) => output !== ''));
  for (const value of [...graph.inputs.map(({ name }) => name), ...made]) {
    const type = graph.typeOf(value);
    if (type?.datatype === 'float32') floats.add(value);
    else if (type === undefined || (type.kind === 'tensor' && type.datatype === undefined)) unknown.push(value);
  }
  if (unknown.length === 0) return floats;
  const model = await openGraph(withOutputs(graph, unknown), runner, { graphOptimizationLevel: 'disabled' });
  const asked = new Set(unknown);
  for (const { name, datatype } of model.outputs) if (datatype === 'float32' && asked.has(name)) floats.add(name);
  await model.close();
  return floats;
}
