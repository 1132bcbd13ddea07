/**
 * Float constants as float16. Called by float16.ts and float16-weights.ts, which share one store per run so that no constant is
 * converted twice. Counts what does not fit, for the report. Constants in other files are read when the model is written.
 */
import { floatToHalf } from '../../../onnx-file/small-floats.ts';
import type { Constant } from '../../graph/constant.ts';
import type { Graph } from '../../graph/graph.ts';
import type { ConvertedConstants } from './convert-precision.ts';

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
export function toHalves(values: Float32Array, counts: HalfCounts): Uint16Array<ArrayBuffer> {
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

export class HalfConstants implements ConvertedConstants {
  readonly counts: HalfCounts = { clamped: 0, lifted: 0 };
  readonly #graph: Graph;
  readonly #names = new Map<string, string>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  get size(): number {
    return this.#names.size;
  }

  convert(values: Float32Array): Uint16Array<ArrayBuffer> {
    return toHalves(values, this.counts);
  }

  nameOf(value: string, constant: Constant): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      name = this.#graph.freshName(`${value}_f16`);
      this.#graph.addInitializer({ name, datatype: 'float16', dims: constant.dims, ...this.#data(constant) });
      this.#names.set(value, name);
    }
    return name;
  }

  /** What is read later is not counted: nobody has looked at it yet. */
  #data(constant: Constant): { raw: Uint8Array } | { read: () => Uint8Array } {
    const convert = (counts: HalfCounts): Uint8Array => new Uint8Array(toHalves(constant.floats(), counts).buffer);
    if (constant.storage !== 'external') return { raw: convert(this.counts) };
    return { read: () => convert({ clamped: 0, lifted: 0 }) };
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
