/**
 * Which values of a graph are tensors of one datatype. Called by float16.ts and float32.ts before they change anything. What the model
 * says is believed; the rest is asked of the runtime, by opening the model with those values as outputs.
 */
import type { Graph } from '../../graph/graph.ts';
import { withOutputs } from '../../graph/infer-shapes.ts';
import { openGraph } from '../../graph/open-graph.ts';
import type { ModelRunner } from '../../pass.ts';
import type { Precision } from './converted-constants.ts';

const makesSequence = /^(Sequence(Construct|Empty|Insert|Erase|Map)|SplitToSequence|Optional)$/;

/** Inputs and what nodes make; constants are not among them. @throws MODEL_FAILED in the runtime's words */
export async function findValuesOf(type: Precision, graph: Graph, runner: ModelRunner): Promise<Set<string>> {
  const found = new Set<string>();
  const unknown: string[] = [];
  const tensors = graph.nodes.filter(({ opType }) => !makesSequence.test(opType));
  const made = tensors.flatMap(({ outputs }) => outputs.filter((output) => output !== ''));
  for (const value of [...graph.inputs.map(({ name }) => name), ...made]) {
    const known = graph.typeOf(value);
    if (known?.datatype === type) found.add(value);
    else if (known === undefined || (known.kind === 'tensor' && known.datatype === undefined)) unknown.push(value);
  }
  if (unknown.length === 0) return found;
  const model = await openGraph(withOutputs(graph, unknown), runner, { graphOptimizationLevel: 'disabled' });
  const asked = new Set(unknown);
  for (const { name, datatype } of model.outputs) if (datatype === type && asked.has(name)) found.add(name);
  await model.close();
  return found;
}
