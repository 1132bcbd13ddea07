/**
 * Constants in another precision, each made once however many nodes take it. The base of half-constants.ts and single-constants.ts. Constants
 * in other files are converted when the model is written, so that large ones need not be in memory.
 */
import type { Constant } from '../../graph/constant.ts';
import type { Graph } from '../../graph/graph.ts';

export type Precision = 'float32' | 'float16';

type Elements = Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer>;

export abstract class ConvertedConstants {
  readonly #graph: Graph;
  readonly #to: Precision;
  readonly #names = new Map<string, string>();

  constructor(graph: Graph, to: Precision) {
    this.#graph = graph;
    this.#to = to;
  }

  /** Elements of the new type. */
  abstract convert(values: Float32Array): Elements;

  /** The same while the model is written: too late for anything to be said of it. */
  protected convertLate(values: Float32Array): Elements {
    return this.convert(values);
  }

  /** Name of the initializer that holds the constant `value` in the new type, made on the first call. */
  nameOf(value: string, constant: Constant): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      name = this.#graph.freshName(`${value}_${this.#to === 'float16' ? 'f16' : 'f32'}`);
      const data =
        constant.storage === 'external'
          ? { read: () => bytesOf(this.convertLate(constant.floats())) }
          : { raw: bytesOf(this.convert(constant.floats())) };
      this.#graph.addInitializer({ name, datatype: this.#to, dims: constant.dims, ...data });
      this.#names.set(value, name);
    }
    return name;
  }
}

function bytesOf({ buffer }: Elements): Uint8Array<ArrayBuffer> {
  return new Uint8Array(buffer);
}
