/**
 * A convolution net of ResNet-18's shape with random weights and batch norms already folded into the convolutions:
 * `image` float32 [batch, 3, 224, 224] -> `logits` [batch, 1000]. Same work per image as the trained net, no meaning.
 */

import { seededRandom } from '../../src/core/seeded-random.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import type { Node, TensorLiteral } from '../../src/onnx-file/model.ts';
import { int, ints, makeModel, makeNode, makeValueInfo } from '../../src/onnx-file/model.ts';
import type { Random } from '../../src/ports/clock.ts';
import { randomWeights } from './weights.ts';

/** About 46.7 MB and 3.6 GFLOP per image. */
export function buildResnet18(seed = 18): Uint8Array<ArrayBuffer> {
  const builder = new ConvNetBuilder(seededRandom(seed));
  let value = builder.relu(builder.conv('stem', 'image', 3, 64, 7, 2));
  value = builder.node('MaxPool', 'pool', [value], {
    kernel_shape: ints([3, 3]),
    strides: ints([2, 2]),
    pads: ints([1, 1, 1, 1]),
  });
  let channels = 64;
  for (const [stage, width] of [64, 128, 256, 512].entries()) {
    for (const block of [0, 1]) {
      value = builder.residualBlock(`stage${stage}_${block}`, value, channels, width);
      channels = width;
    }
  }
  value = builder.node('Flatten', 'flat', [builder.node('GlobalAveragePool', 'average', [value])]);
  const weights = builder.constant(randomWeights('classifier_weights', [1000, 512], 512, builder.random));
  const bias = builder.constant(randomWeights('classifier_bias', [1000], 512, builder.random));
  builder.node('Gemm', 'logits', [value, weights, bias], { transB: int(1) });
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: 13 }],
      graph: {
        name: 'resnet18',
        nodes: builder.nodes,
        initializers: builder.initializers,
        inputs: [makeValueInfo('image', 'float32', ['batch', 3, 224, 224])],
        outputs: [makeValueInfo('logits', 'float32', ['batch', 1000])],
      },
    }),
  );
}

/** Collects nodes; every method returns the name of the value it made. */
class ConvNetBuilder {
  readonly random: Random;
  readonly nodes: Node[] = [];
  readonly initializers: TensorLiteral[] = [];

  constructor(random: Random) {
    this.random = random;
  }

  constant(literal: TensorLiteral): string {
    this.initializers.push(literal);
    return literal.name;
  }

  node(opType: string, output: string, inputs: readonly string[], attributes: Node['attributes'] = {}): string {
    this.nodes.push(makeNode(opType, inputs, [output], attributes));
    return output;
  }

  relu(input: string): string {
    return this.node('Relu', `${input}_relu`, [input]);
  }

  conv(name: string, input: string, channels: number, width: number, kernel: number, stride: number, gain = 2): string {
    const fanIn = channels * kernel * kernel;
    const weights = this.constant(
      randomWeights(`${name}_weights`, [width, channels, kernel, kernel], fanIn, this.random, gain),
    );
    const bias = this.constant(randomWeights(`${name}_bias`, [width], fanIn, this.random, gain));
    const pad = Math.floor(kernel / 2);
    return this.node('Conv', name, [input, weights, bias], {
      kernel_shape: ints([kernel, kernel]),
      strides: ints([stride, stride]),
      pads: ints([pad, pad, pad, pad]),
    });
  }

  /** Two 3x3 convolutions around a shortcut; a change of width halves the picture. Gain 0.5 keeps the sums from growing. */
  residualBlock(name: string, input: string, channels: number, width: number): string {
    const narrows = channels !== width;
    const stride = narrows ? 2 : 1;
    const first = this.relu(this.conv(`${name}_a`, input, channels, width, 3, stride));
    const second = this.conv(`${name}_b`, first, width, width, 3, 1, 0.5);
    const shortcut = narrows ? this.conv(`${name}_short`, input, channels, width, 1, stride, 1) : input;
    return this.relu(this.node('Add', `${name}_sum`, [second, shortcut]));
  }
}
