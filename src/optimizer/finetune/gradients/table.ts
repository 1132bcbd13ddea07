/** All operators that training can differentiate. Called by backward.ts. */
import { concat, logSoftmax, reduceMean, reshape, softmax, transpose } from './arranging.ts';
import { conv } from './convolution.ts';
import {
  add,
  batchNormalization,
  clip,
  div,
  erf,
  leakyRelu,
  mul,
  relu,
  round,
  sigmoid,
  sub,
  tanh,
} from './elementwise.ts';
import { gemm, matMul } from './linear.ts';
import { averagePool, globalAveragePool, maxPool } from './pooling.ts';
import type { GradientRule } from './rule.ts';

export const gradientRules: Readonly<Record<string, GradientRule>> = {
  Add: add,
  AveragePool: averagePool,
  BatchNormalization: batchNormalization,
  Clip: clip,
  Concat: concat,
  Conv: conv,
  Div: div,
  Dropout: reshape,
  Erf: erf,
  Flatten: reshape,
  Gemm: gemm,
  GlobalAveragePool: globalAveragePool,
  Identity: reshape,
  LeakyRelu: leakyRelu,
  LogSoftmax: logSoftmax,
  MatMul: matMul,
  MaxPool: maxPool,
  Mul: mul,
  ReduceMean: reduceMean,
  Relu: relu,
  Reshape: reshape,
  Round: round,
  Sigmoid: sigmoid,
  Softmax: softmax,
  Squeeze: reshape,
  Sub: sub,
  Tanh: tanh,
  Transpose: transpose,
  Unsqueeze: reshape,
};
