/**
 * Keeps the runtime from joining Gemm with a Relu before it sees that the Gemm is an integer layer: FusedGemm has no integer kernel
 * and dequantizes all weights in every run. Where a quantized value stands between or behind them, that does not happen.
 * Called by static quantization before it writes its plan.
 */
import { makeNode, makeTensor } from '../../../onnx-file/model.ts';
import type { Graph } from '../../graph/graph.ts';
import { isFixed } from './layers.ts';
import type { Regions } from './regions.ts';

/** Activations that the runtime joins with Gemm. Relu has a twin with the same result that is not among them. */
export const joinedWithGemm: ReadonlySet<string> = new Set([
  'Relu',
  'LeakyRelu',
  'Sigmoid',
  'Tanh',
  'Elu',
  'HardSigmoid',
  'Selu',
  'Softplus',
  'Softsign',
  'ThresholdedRelu',
]);

/** Writes Max(x, 0) for a Relu behind a Gemm with a float result. */
export function guardActivations(graph: Graph, { layers, values }: Regions): void {
  for (const { node, activation, output } of layers) {
    if (node.opType !== 'Gemm' || activation?.opType !== 'Relu' || values.get(output) === true) continue;
    const zero = graph.freshName(`${output}_zero`);
    graph.addInitializer(makeTensor(zero, 'float32', [], Float32Array.of(0)));
    graph.replaceNode(activation, [
      makeNode('Max', [activation.inputs[0]!, zero], activation.outputs, {}, { name: activation.name }),
    ]);
  }
}

/** Whether the float result of a Gemm would be joined with the only node that takes it. */
export function wouldBeJoined(graph: Graph, value: string): boolean {
  if (isFixed(graph, value)) return false;
  const uses = graph.consumersOf(value);
  const taker = uses[0]?.node;
  return uses.length === 1 && taker?.domain === '' && taker.opType !== 'Relu' && joinedWithGemm.has(taker.opType);
}
