/** Inputs and outputs of training steps: weights that come in as tensors instead of constants. Called by step-graph.ts. */
import type { Tensor } from '../../core/tensor.ts';
import { makeValueInfo } from '../../onnx-file/model.ts';
import type { Graph } from '../graph/graph.ts';

export interface Weight {
  /** Its name as a constant of the model. */
  readonly name: string;
  /** Its name as an input of the step. */
  readonly input: string;
}

export function floatInput(graph: Graph, prefix: string, dims: readonly number[]): string {
  const name = graph.freshName(`step_${prefix}`);
  graph.setGraphInput(makeValueInfo(name, 'float32', dims));
  return name;
}

/** A copy in which no caller can give other values for initializers: models of many exporters list them among the inputs. */
export function withFixedInitializers(graph: Graph): Graph {
  const copy = graph.clone();
  for (const { name } of copy.inputs) if (copy.isInitializer(name)) copy.removeGraphInput(name);
  return copy;
}

/** Lets all nodes take an input instead of the constant. @returns the name of the input */
export function weightInput(graph: Graph, name: string): string {
  const input = floatInput(graph, name, graph.constantOf(name)!.dims);
  graph.replaceUses(name, input);
  return input;
}

/** Takes weights back that turned out not to be trained. */
export function fixWeights(graph: Graph, weights: readonly Weight[]): void {
  for (const { name, input } of weights) {
    graph.replaceUses(input, name);
    graph.removeGraphInput(input);
  }
}

/** A copy of the graph with these outputs only and without what they do not need. */
export function outputsOnly(graph: Graph, outputs: readonly string[]): Graph {
  const copy = graph.clone();
  for (const { name } of copy.outputs) copy.removeGraphOutput(name);
  for (const output of outputs) copy.addUntypedOutput(output);
  copy.removeUnused();
  for (const { name } of copy.inputs) if (copy.consumersOf(name).length === 0) copy.removeGraphInput(name);
  copy.dropValueInfos();
  return copy;
}

/** A copy: tensors are given away. */
export function constantTensor(graph: Graph, name: string): Tensor {
  return {
    datatype: 'float32',
    shape: graph.constantOf(name)!.dims,
    data: graph.floats(name).slice() as Float32Array<ArrayBuffer>,
  };
}
