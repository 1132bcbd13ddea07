/**
 * Products of large matrices by the runtime: a model of a single Gemm. Called by GPTQ, whose corrections of earlier errors are
 * most of its work and take 30 times longer in plain loops. Whoever opens it closes it.
 */
import { encodeModel } from '../../../onnx-file/encode.ts';
import { int, makeModel, makeNode, makeValueInfo } from '../../../onnx-file/model.ts';
import type { ModelRunner } from '../../pass.ts';
import type { Multiply } from './gptq-round.ts';

/** A'B for A [k, m] and B [k, n]. */
function buildProductModel(): Uint8Array {
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: 13 }],
      graph: {
        name: 'product',
        nodes: [makeNode('Gemm', ['a', 'b'], ['product'], { transA: int(1) })],
        initializers: [],
        inputs: [makeValueInfo('a', 'float32', ['k', 'm']), makeValueInfo('b', 'float32', ['k', 'n'])],
        outputs: [makeValueInfo('product', 'float32', ['m', 'n'])],
      },
    }),
  );
}

export async function openProductModel(
  runner: ModelRunner,
): Promise<{ readonly multiply: Multiply; readonly close: () => Promise<void> }> {
  const model = await runner.open(buildProductModel());
  const multiply: Multiply = async (a, b, k, m, n) => {
    const { product } = await model.run({
      a: { datatype: 'float32', shape: [k, m], data: a },
      b: { datatype: 'float32', shape: [k, n], data: b },
    });
    return product!.data as Float32Array<ArrayBuffer>;
  };
  return { multiply, close: () => model.close() };
}
