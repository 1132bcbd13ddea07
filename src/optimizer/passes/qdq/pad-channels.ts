/**
 * Gives convolutions over one to three channels, which are those that look at pictures, a fourth one of zeros. The runtime's quick integer
 * convolution takes channels four at a time and leaves all others to a slow one. The sums are the same. Called by static quantization, after
 * fold-pixels.ts has done better with those that step over pixels.
 */
import { ints, makeNode, makeTensor } from '../../../onnx-file/model.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { isFixed } from './layers.ts';

const atOnce = 4;
/** Of fewer places the padding costs as much as it saves. */
const fewestPlaces = 9;

/**
 * @param layers those that become integers
 * @returns how many were given one. The graph is in topological order before and after.
 */
export function padChannels(graph: Graph, layers: ReadonlySet<Node>): number {
  const found = graph.nodes.filter((node) => layers.has(node) && isNarrow(graph, node));
  for (const conv of found) pad(graph, conv);
  return found.length;
}

function isNarrow(graph: Graph, conv: Node): boolean {
  if (conv.opType !== 'Conv' || conv.domain !== '' || conv.int('group', 1) !== 1) return false;
  const [input = '', weightName = ''] = conv.inputs;
  const weight = graph.constantOf(weightName);
  if (weight?.datatype !== 'float32' || weight.dims.length !== 4 || graph.constantOf(input) !== undefined) return false;
  if (graph.consumersOf(weightName).length > 1 || isFixed(graph, weightName)) return false;
  const [, channels, height, width] = weight.dims as [number, number, number, number];
  return channels < atOnce && height * width >= fewestPlaces;
}

function pad(graph: Graph, conv: Node): void {
  const [input = '', weightName = ''] = conv.inputs;
  const weight = graph.constantOf(weightName)!;
  const [outputs, channels, height, width] = weight.dims as [number, number, number, number];
  const padded = graph.freshName(`${input}_padded`);
  graph.insertBefore(conv, padNode(graph, input, padded, atOnce - channels));
  graph.replaceInput(conv, 0, padded);
  const values = weight.floats();
  const wider = new Float32Array(outputs * atOnce * height * width);
  const [from, to] = [channels * height * width, atOnce * height * width];
  for (let output = 0; output < outputs; output++) {
    wider.set(values.subarray(output * from, (output + 1) * from), output * to);
  }
  graph.setInitializer(makeTensor(weightName, 'float32', [outputs, atOnce, height, width], wider));
}

/** Up to opset 10 the amounts are an attribute. */
function padNode(graph: Graph, input: string, output: string, channels: number) {
  const amounts = [0, 0, 0, 0, 0, channels, 0, 0];
  if ((graph.head.opset() ?? 0) < 11) return makeNode('Pad', [input], [output], { pads: ints(amounts) });
  const pads = makeTensor(graph.freshName(`${input}_pads`), 'int64', [8], BigInt64Array.from(amounts, BigInt));
  return makeNode('Pad', [input, graph.addInitializer(pads).name], [output]);
}
