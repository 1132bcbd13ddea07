/** Smallest and greatest input of each layer on data: what quantization-aware training rounds to. Called by whoever asks for it. */
import { observe } from '../calibrate/observe.ts';
import type { Graph } from '../graph/graph.ts';
import type { Dataset, PassContext } from '../pass.ts';

/** For `FakeQuantization.activations`, by name of the value. */
export async function activationRanges(
  graph: Graph,
  data: Dataset,
  { runner, signal }: Pick<PassContext, 'runner' | 'signal'>,
): Promise<ReadonlyMap<string, readonly [number, number]>> {
  const layers = graph.nodes.filter(({ opType }) => ['Conv', 'Gemm', 'MatMul'].includes(opType));
  const values = [...new Set(layers.map(({ inputs }) => inputs[0]!))];
  const ranges = new Map<string, readonly [number, number]>();
  await observe(graph, { runner, data, values, signal }, (value, floats) => {
    let [low, high] = ranges.get(value) ?? [0, 0];
    for (const float of floats) {
      if (float < low) low = float;
      else if (float > high) high = float;
    }
    ranges.set(value, [low, high]);
  });
  return ranges;
}
