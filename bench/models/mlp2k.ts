/** A wide perceptron: three layers 2048 -> 2048 with Relu and one 2048 -> 1000. `features` [batch, 2048] -> `logits` [batch, 1000]. */

import { seededRandom } from '../../src/core/seeded-random.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import type { Node, TensorLiteral } from '../../src/onnx-file/model.ts';
import { int, makeModel, makeNode, makeValueInfo } from '../../src/onnx-file/model.ts';
import { randomWeights } from './weights.ts';

const width = 2048;
const layerWidths = [width, width, width, 1000];

/** About 58.5 MB and 29 MFLOP per row: more than the caches of most cores, so that memory is what one row waits for. */
export function buildMlp2k(seed = 2048): Uint8Array<ArrayBuffer> {
  const random = seededRandom(seed);
  const nodes: Node[] = [];
  const initializers: TensorLiteral[] = [];
  let value = 'features';
  for (const [index, outputs] of layerWidths.entries()) {
    const last = index === layerWidths.length - 1;
    const weights = randomWeights(`weights${index}`, [width, outputs], width, random);
    const bias = randomWeights(`bias${index}`, [outputs], width, random);
    initializers.push(weights, bias);
    const sums = last ? 'logits' : `sums${index}`;
    nodes.push(makeNode('Gemm', [value, weights.name, bias.name], [sums], { transB: int(0) }));
    value = `hidden${index}`;
    if (!last) nodes.push(makeNode('Relu', [sums], [value]));
  }
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: 13 }],
      graph: {
        name: 'mlp2k',
        nodes,
        initializers,
        inputs: [makeValueInfo('features', 'float32', ['batch', width])],
        outputs: [makeValueInfo('logits', 'float32', ['batch', 1000])],
      },
    }),
  );
}
