/**
 * FP16-stored weights: float32 constants are kept as float16 and cast back when the model is loaded, everything is still computed
 * in float32. Half the file with nearly the same answers, and no operator that could lack a float16 form: the safer one for
 * processors. The runtime folds the Casts, so speed and memory are those of the original.
 */
import type { Node as NodeLiteral } from '../../onnx-file/model.ts';
import { int, makeNode } from '../../onnx-file/model.ts';
import { dataTypes } from '../../onnx-file/schema.ts';
import type { Graph } from '../graph/graph.ts';
import type { LayerChange, Pass } from '../pass.ts';
import { HalfConstants } from './half/half-constants.ts';

export interface Float16WeightsSettings {
  /** Smaller constants stay: they save nothing, and some operators want theirs to be constants. @default 256 */
  readonly leastElements?: number;
}

export const float16Weights: Pass<Float16WeightsSettings> = async (graph, settings, { signal, onProgress }) => {
  const { leastElements = 256 } = settings;
  graph.fixConstants();
  const constants = new HalfConstants(graph);
  const found = largeFloats(graph, leastElements);
  const changed: LayerChange[] = [];
  const skipped: LayerChange[] = [];
  for (const [index, name] of found.entries()) {
    signal?.throwIfAborted();
    const change = { node: name, opType: 'constant', what: 'stored as float16' };
    if (storeAsHalf(graph, name, constants)) changed.push(change);
    else skipped.push({ ...change, what: 'a body of If, Loop or Scan uses it, or it is an output of the model' });
    onProgress((index + 1) / found.length, name);
  }
  if (changed.length > 0) graph.removeUnused();
  const isHalf = changed.length === 0 && graph.initializers.some(({ datatype }) => datatype === 'float16');
  return {
    title: 'FP16-stored weights',
    changed,
    skipped,
    notes: [...constants.notes(), ...(isHalf ? ['The weights are float16 already.'] : [])],
  };
};

/** Initializers, and what Constant nodes make. */
function largeFloats(graph: Graph, leastElements: number): string[] {
  const names = [
    ...graph.initializers.map(({ name }) => name),
    ...graph.nodes
      .filter(({ opType, domain }) => opType === 'Constant' && domain === '')
      .flatMap(({ outputs }) => outputs),
  ];
  return names.filter((name) => {
    const constant = graph.constantOf(name);
    return constant?.datatype === 'float32' && constant.elementCount >= leastElements;
  });
}

function storeAsHalf(graph: Graph, name: string, constants: HalfConstants): boolean {
  const constant = graph.constantOf(name)!;
  const producer = graph.producerOf(name);
  if (producer !== undefined) {
    graph.replaceNode(producer, [castBack(constants.nameOf(name, constant), name)]);
    return true;
  }
  const first = graph.nodes[0];
  const isNeeded = graph.isGraphOutput(name) || graph.consumersOf(name).some(({ index }) => index < 0);
  if (first === undefined || isNeeded) return false;
  const single = graph.freshName(`${name}_f32`);
  graph.replaceUses(name, single);
  graph.insertBefore(first, castBack(constants.nameOf(name, constant), single));
  return true;
}

/** Without a name: those of nodes must be unique too. */
function castBack(from: string, to: string): NodeLiteral {
  return makeNode('Cast', [from], [to], { to: int(dataTypes.float32) }, { name: '' });
}
