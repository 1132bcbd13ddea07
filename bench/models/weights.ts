/** Seeded random weights for benchmark models. They mean nothing; they are scaled so that values neither vanish nor explode. */
import type { TensorLiteral } from '../../src/onnx-file/model.ts';
import { makeTensor } from '../../src/onnx-file/model.ts';
import type { Random } from '../../src/ports/clock.ts';

/** Uniform weights of variance `gain / fanIn`; gain 2 is He's choice for layers followed by Relu. */
export function randomWeights(
  name: string,
  dims: readonly number[],
  fanIn: number,
  random: Random,
  gain = 2,
): TensorLiteral {
  const limit = Math.sqrt((3 * gain) / fanIn);
  const data = new Float32Array(dims.reduce((count, dim) => count * dim, 1));
  for (let i = 0; i < data.length; i++) data[i] = (random() * 2 - 1) * limit;
  return makeTensor(name, 'float32', dims, data);
}
