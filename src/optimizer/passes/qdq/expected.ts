/**
 * Which integer kernels ONNX Runtime 1.30 makes of a plan when it loads the model: counted in its saved optimized graph, this is
 * the proof that nothing is dequantized at run time. Called by static quantization; pinned by an integration test.
 */
import type { Passer, Regions } from './regions.ts';

const kernels: Readonly<Record<string, string>> = {
  Conv: 'QLinearConv',
  Gemm: 'QGemm',
  Add: 'QLinearAdd',
  Mul: 'QLinearMul',
  Concat: 'QLinearConcat',
  AveragePool: 'QLinearAveragePool',
  GlobalAveragePool: 'QLinearGlobalAveragePool',
  Sigmoid: 'QLinearSigmoid',
  LeakyRelu: 'QLinearLeakyRelu',
};

export function expectedFused({ layers, passers, values }: Regions): Record<string, number> {
  const counts: Record<string, number> = {};
  const count = (kernel: string | undefined): void => {
    if (kernel !== undefined) counts[kernel] = (counts[kernel] ?? 0) + 1;
  };
  for (const { node, output } of layers) {
    if (node.opType !== 'MatMul') count(kernels[node.opType]);
    else count(values.get(output) === true ? 'QLinearMatMul' : 'MatMulIntegerToFloat');
  }
  for (const passer of passers) count(kernelOf(passer));
  return counts;
}

/** Undefined for those that take uint8 as they are and keep their name. */
function kernelOf({ node }: Passer): string | undefined {
  return kernels[node.opType];
}
