/**
 * Floating point operations of one node, counted as two per multiplication with addition. Called by inspect. Only operators that
 * carry the weight of a network are counted; others cost next to nothing.
 */
import type { Node } from '../node.ts';
import type { ShapeOf } from './static-shapes.ts';
import { product } from './static-shapes.ts';

/** Gates of recurrent layers. */
const gates: Readonly<Record<string, number>> = { LSTM: 4, GRU: 3, RNN: 1 };
const convolutions = new Set(['Conv', 'ConvInteger', 'QLinearConv', 'FusedConv']);
const products = new Set(['MatMul', 'MatMulInteger', 'QLinearMatMul', 'FusedMatMul', 'DynamicQuantizeMatMul']);
const gemms = new Set(['Gemm', 'FusedGemm', 'QGemm']);

/** Undefined: a shape is not known, or the operator is not counted. */
export function flopsOf(node: Node, shapeOf: ShapeOf): number | undefined {
  const out = shapeOf(node.outputs[0] ?? '');
  const x = shapeOf(node.inputs[0] ?? '');
  // QLinear operators have scale and zero point between input and weight.
  const w = shapeOf(node.inputs[node.opType.startsWith('QLinear') || node.opType === 'QGemm' ? 3 : 1] ?? '');
  if (convolutions.has(node.opType)) return out && w && 2 * product(out) * product(w.slice(1));
  if (node.opType === 'ConvTranspose') return x && w && 2 * product(x) * product(w.slice(1));
  if (products.has(node.opType)) return out && x && 2 * product(out) * (x.at(-1) ?? 1);
  if (gemms.has(node.opType)) return out && w && 2 * out[0]! * product(w);
  if (node.opType === 'MatMulNBits') return x && 2 * product(x) * node.int('N', 0);
  const factor = gates[node.opType];
  if (factor === undefined || x === undefined || w === undefined) return undefined;
  // x: [time, batch, inputs]; w: [directions, gates * hidden, inputs].
  const hidden = w[1]! / factor;
  return 2 * x[0]! * x[1]! * product(w.slice(0, 2)) * (w[2]! + hidden);
}

/** Whether a missing number is one that matters. */
export function isCounted(node: Node): boolean {
  const { opType } = node;
  const known = [convolutions, products, gemms].some((set) => set.has(opType));
  return known || opType === 'ConvTranspose' || opType === 'MatMulNBits' || opType in gates;
}
