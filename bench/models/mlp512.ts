/** A perceptron: three layers 512 -> 512 with Relu and one 512 -> 10. `features` [batch, 512] -> `logits` [batch, 10]. */

import { seededRandom } from '../../src/core/seeded-random.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import type { Node, TensorLiteral } from '../../src/onnx-file/model.ts';
import { int, makeModel, makeNode, makeValueInfo } from '../../src/onnx-file/model.ts';
import { randomWeights } from './weights.ts';

const width = 512;
const layerWidths = [width, width, width, 10];

/** About 3.2 MB and 1.6 MFLOP per row. */
export function buildMlp512(seed = 512): Uint8Array<ArrayBuffer> {
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
        name: 'mlp512',
        nodes,
        initializers,
        inputs: [makeValueInfo('features', 'float32', ['batch', width])],
        outputs: [makeValueInfo('logits', 'float32', ['batch', 10])],
      },
    }),
  );
}
