/** New values for a constant, wherever the model keeps it. Called by training, pruning and repair. */
import { makeTensor } from '../../onnx-file/model.ts';
import type { Graph } from '../graph/graph.ts';

/** An initializer keeps its name; the value of a Constant node moves into one. */
export function replaceConstant(
  graph: Graph,
  name: string,
  dims: readonly number[],
  values: Float32Array<ArrayBuffer>,
): void {
  if (graph.isInitializer(name)) graph.setInitializer(makeTensor(name, 'float32', dims, values));
  else graph.replaceUses(name, graph.addInitializer(makeTensor(graph.freshName(name), 'float32', dims, values)).name);
}
