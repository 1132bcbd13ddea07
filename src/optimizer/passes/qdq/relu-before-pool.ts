/**
 * Turns Conv, MaxPool, Relu into Conv, Relu, MaxPool: the largest of what is cut at 0 is what is cut at 0 of the largest. The Relu then
 * is part of the integer convolution instead of standing between integers as a float operator. Called by static quantization.
 */
import type { Graph } from '../../graph/graph.ts';
import type { Node } from '../../graph/node.ts';
import { isFixed } from './layers.ts';

/** @returns how many were turned. The graph is in topological order before and after. */
export function moveReluBeforePool(graph: Graph): number {
  let turned = 0;
  for (const pool of graph.nodes) {
    const relu = reluBehindPool(graph, pool);
    if (relu === undefined) continue;
    const [input, pooled, result] = [pool.inputs[0]!, pool.outputs[0]!, relu.outputs[0]!];
    graph.replaceInput(relu, 0, input);
    graph.replaceInput(pool, 0, result);
    graph.replaceUses(result, pooled, { except: [pool] });
    graph.dropValueInfos(result);
    turned++;
  }
  if (turned > 0) graph.sortTopologically();
  return turned;
}

function reluBehindPool(graph: Graph, pool: Node): Node | undefined {
  if (pool.opType !== 'MaxPool' || pool.domain !== '' || pool.outputs.length !== 1) return undefined;
  const [input = ''] = pool.inputs;
  const relu = onlyUser(graph, pool.outputs[0]!);
  const fromConv = graph.producerOf(input)?.opType === 'Conv' && onlyUser(graph, input) === pool;
  const fits = relu?.opType === 'Relu' && relu.domain === '' && !isFixed(graph, relu.outputs[0]!);
  return fromConv && fits ? relu : undefined;
}

function onlyUser(graph: Graph, value: string): Node | undefined {
  const uses = graph.consumersOf(value);
  return uses.length === 1 && !isFixed(graph, value) ? uses[0]!.node : undefined;
}
