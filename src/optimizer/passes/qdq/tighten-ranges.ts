/**
 * Cuts off what the next operator flattens anyway: a sigmoid's input beyond +-6 and the far negative side of SiLU (x * sigmoid(x))
 * and HardSwish. Real nets spend up to nine tenths of such a range there, and with it most of the 256 steps (YOLOX-nano's first
 * layer: -75 to 84). Called by static quantization between calibration and writing. Never widens a range.
 */
import type { Ranges } from '../../calibrate/calibrate.ts';
import type { Graph } from '../../graph/graph.ts';
import type { Range } from '../../quantize/affine.ts';
import { isFixed } from './layers.ts';

export function tightenRanges(graph: Graph, ranges: Ranges): Ranges {
  return new Map([...ranges].map(([value, range]) => [value, tighten(graph, value, range, ranges)]));
}

function tighten(graph: Graph, value: string, range: Range, ranges: Ranges): Range {
  if (isFixed(graph, value)) return range;
  const users = graph.consumersOf(value).map(({ node }) => node);
  const [first, second] = users;
  if (users.length === 1 && first!.domain === '') {
    if (first!.opType === 'Sigmoid') return within(range, -flatSigmoid, flatSigmoid);
    if (first!.opType === 'HardSwish') return within(range, -3, Number.POSITIVE_INFINITY);
  }
  if (users.length !== 2) return range;
  const [sigmoid, mul] = first!.opType === 'Sigmoid' ? [first!, second!] : [second!, first!];
  if (sigmoid.opType !== 'Sigmoid' || mul.opType !== 'Mul' || !mul.inputs.includes(sigmoid.outputs[0]!)) return range;
  const result = ranges.get(mul.outputs[0]!) ?? { min: -0.28, max: Math.max(range.max, 0) };
  const step = (Math.max(result.max, 0) - Math.min(result.min, 0)) / 255;
  return within(range, lowestOfSilu(step / 2), Number.POSITIVE_INFINITY);
}

/** Beyond it a sigmoid is within half a step of 1/256 of 0 or 1. */
const flatSigmoid = Math.log(511);

function within({ min, max }: Range, low: number, high: number): Range {
  return { min: Math.max(min, low), max: Math.min(max, high) };
}

/** Where SiLU, on its way back to 0, comes within `tolerance` of it: from -2 on down to -20. */
function lowestOfSilu(tolerance: number): number {
  let x = -2;
  while (x > -20 && -x / (1 + Math.exp(-x)) > tolerance) x -= 0.25;
  return x;
}
