/**
 * A model with a small input and a cost that is chosen, for overload tests: `features` [batch, 64] -> `output` [batch, 8].
 * Each row is blown up to a 256 x 256 matrix first and then multiplied `layers` times, so that the product is as efficient
 * for one row as for many and the time grows in proportion to the rows.
 */

import { seededRandom } from '../../src/core/seeded-random.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import type { Node } from '../../src/onnx-file/model.ts';
import { int, ints, makeModel, makeNode, makeTensor, makeValueInfo } from '../../src/onnx-file/model.ts';
import { randomWeights } from './weights.ts';

const width = 256;
const features = 64;

export interface MatmulChainOptions {
  /** Multiplications per row, 33.6 MFLOP or about 0.17 ms each. @default 120, about 20 ms per row on one core */
  readonly layers?: number;
  readonly seed?: number;
}

export function buildMatmulChain({ layers = 120, seed = 20 }: MatmulChainOptions = {}): Uint8Array<ArrayBuffer> {
  const random = seededRandom(seed);
  const nodes: Node[] = [
    makeNode('Unsqueeze', ['features', 'row_axis'], ['rows']),
    makeNode('Mul', ['rows', 'pattern'], ['wide']),
    makeNode('MatMul', ['wide', 'first'], ['value0']),
  ];
  for (let layer = 0; layer < layers; layer++) {
    nodes.push(makeNode('MatMul', [`value${layer}`, 'square'], [`sums${layer}`]));
    nodes.push(makeNode('Tanh', [`sums${layer}`], [`value${layer + 1}`]));
  }
  nodes.push(makeNode('ReduceMean', [`value${layers}`], ['mean'], { axes: ints([1]), keepdims: int(0) }));
  nodes.push(makeNode('MatMul', ['mean', 'last'], ['output']));
  const initializers = [
    makeTensor('row_axis', 'int64', [1], new BigInt64Array([1n])),
    randomWeights('pattern', [width, features], 1, random, 1),
    randomWeights('first', [features, width], features, random, 1),
    randomWeights('square', [width, width], width, random, 2),
    randomWeights('last', [width, 8], 8, random, 1),
  ];
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: 13 }],
      graph: {
        name: 'matmul-chain',
        nodes,
        initializers,
        inputs: [makeValueInfo('features', 'float32', ['batch', features])],
        outputs: [makeValueInfo('output', 'float32', ['batch', 8])],
      },
    }),
  );
}
