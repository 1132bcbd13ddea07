/** A wide perceptron: three layers 2048 -> 2048 with Relu and one 2048 -> 1000. `features` [batch, 2048] -> `logits` [batch, 1000]. */

import { buildPerceptron } from './perceptron.ts';

/** About 58.5 MB and 29 MFLOP per row: more than the caches of most cores, so that memory is what one row waits for. */
export function buildMlp2k(seed = 2048): Uint8Array<ArrayBuffer> {
  return buildPerceptron({ name: 'mlp2k', width: 2048, classes: 1000 }, seed);
}
