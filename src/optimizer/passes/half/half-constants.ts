/** Float constants as float16. Called by float16.ts and float16-weights.ts. Counts what does not fit, for the report. */
import { floatToHalf } from '../../../onnx-file/small-floats.ts';
import type { Graph } from '../../graph/graph.ts';
import { ConvertedConstants } from './converted-constants.ts';

const largestHalf = 65504;
/** Half of it would round to zero. */
const smallestHalf = 2 ** -24;

export interface HalfCounts {
  /** Finite numbers beyond the largest float16, which they became. */
  clamped: number;
  /** Numbers that would have become 0 and are the smallest float16 now. */
  lifted: number;
}

/** Bit patterns; infinities and NaN stay what they are. */
function toHalves(values: Float32Array, counts: HalfCounts): Uint16Array<ArrayBuffer> {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    let value = values[i]!;
    const magnitude = Math.abs(value);
    if (magnitude > largestHalf && magnitude < Number.POSITIVE_INFINITY) {
      value = Math.sign(value) * largestHalf;
      counts.clamped++;
    } else if (magnitude < smallestHalf && magnitude > 0) {
      value = Math.sign(value) * smallestHalf;
      counts.lifted++;
    }
    halves[i] = floatToHalf(value);
  }
  return halves;
}

export class HalfConstants extends ConvertedConstants {
  readonly counts: HalfCounts = { clamped: 0, lifted: 0 };

  constructor(graph: Graph) {
    super(graph, 'float16');
  }

  convert(values: Float32Array): Uint16Array<ArrayBuffer> {
    return toHalves(values, this.counts);
  }

  /** Not counted: nobody reads the report's notes again. */
  protected override convertLate(values: Float32Array): Uint16Array<ArrayBuffer> {
    return toHalves(values, { clamped: 0, lifted: 0 });
  }

  /** Sentences for the report. */
  notes(): string[] {
    const { clamped, lifted } = this.counts;
    return [
      ...(clamped > 0 ? [`${clamped} constants beyond ±${largestHalf} became that: check the answers.`] : []),
      ...(lifted > 0 ? [`${lifted} constants too small for float16 became ±6e-8 instead of 0.`] : []),
    ];
  }
}
