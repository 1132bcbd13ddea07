/** The perceptrons of the benchmarks, of any width: mlp512.ts and mlp2k.ts say which. */

import { seededRandom } from '../../src/core/seeded-random.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import type { Node, TensorLiteral } from '../../src/onnx-file/model.ts';
import { int, makeModel, makeNode, makeValueInfo } from '../../src/onnx-file/model.ts';
import { randomWeights } from './weights.ts';

export interface PerceptronShape {
  readonly name: string;
  readonly width: number;
  readonly classes: number;
}

/** Three layers width -> width with Relu and one width -> classes. `features` [batch, width] -> `logits` [batch, classes]. */
export function buildPerceptron({ name, width, classes }: PerceptronShape, seed: number): Uint8Array<ArrayBuffer> {
  const layerWidths = [width, width, width, classes];
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
        name,
        nodes,
        initializers,
        inputs: [makeValueInfo('features', 'float32', ['batch', width])],
        outputs: [makeValueInfo('logits', 'float32', ['batch', classes])],
      },
    }),
  );
}
