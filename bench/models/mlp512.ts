/** A perceptron: three layers 512 -> 512 with Relu and one 512 -> 10. `features` [batch, 512] -> `logits` [batch, 10]. */

import { buildPerceptron } from './perceptron.ts';

/** About 3.2 MB and 1.6 MFLOP per row. */
export function buildMlp512(seed = 512): Uint8Array<ArrayBuffer> {
  return buildPerceptron({ name: 'mlp512', width: 512, classes: 10 }, seed);
}
