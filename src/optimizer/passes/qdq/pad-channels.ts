/**
 * Gives convolutions over one to three channels, which are those that look at pictures, a fourth one of zeros. The runtime's quick integer
 * convolution takes channels four at a time and leaves all others to a slow one. The sums are the same. Called by static quantization, after
 * fold-pixels.ts has done better with those that step over pixels.
 */
import { ints, makeNode, makeTensor } from '../../../onnx-file/model.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { channelsAtOnce, type NarrowConvolution, narrowConvolution } from './narrow-convolution.ts';

/** Of fewer places the padding costs as much as it saves. */
const fewestPlaces = 9;

/**
 * @param layers those that become integers
 * @returns how many were given one. The graph is in topological order before and after.
 */
export function padChannels(graph: Graph, layers: ReadonlySet<Node>): number {
  let count = 0;
  for (const conv of graph.nodes.filter((node) => layers.has(node))) {
    const narrow = narrowConvolution(graph, conv);
    if (narrow === undefined || narrow.channels === channelsAtOnce) continue;
    if (narrow.height * narrow.width < fewestPlaces) continue;
    pad(graph, conv, narrow);
    count++;
  }
  return count;
}

function pad(graph: Graph, conv: Node, { weight, outputs, channels, height, width }: NarrowConvolution): void {
  const input = conv.inputs[0]!;
  const padded = graph.freshName(`${input}_padded`);
  graph.insertBefore(conv, padNode(graph, input, padded, channelsAtOnce - channels));
  graph.replaceInput(conv, 0, padded);
  const values = weight.floats();
  const wider = new Float32Array(outputs * channelsAtOnce * height * width);
  const [from, to] = [channels * height * width, channelsAtOnce * height * width];
  for (let output = 0; output < outputs; output++) {
    wider.set(values.subarray(output * from, (output + 1) * from), output * to);
  }
  graph.setInitializer(makeTensor(weight.name, 'float32', [outputs, channelsAtOnce, height, width], wider));
}

/** Up to opset 10 the amounts are an attribute. */
function padNode(graph: Graph, input: string, output: string, channels: number) {
  const amounts = [0, 0, 0, 0, 0, channels, 0, 0];
  if ((graph.head.opset() ?? 0) < 11) return makeNode('Pad', [input], [output], { pads: ints(amounts) });
  const pads = makeTensor(graph.freshName(`${input}_pads`), 'int64', [8], BigInt64Array.from(amounts, BigInt));
  return makeNode('Pad', [input, graph.addInitializer(pads).name], [output]);
}
