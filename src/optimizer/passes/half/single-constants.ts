/** Float16 constants as float32, which holds them exactly. Called by float32.ts. Constants in other files are read when the model is written. */
import type { Constant } from '../../graph/constant.ts';
import type { Graph } from '../../graph/graph.ts';
import type { ConvertedConstants } from './convert-precision.ts';

export class SingleConstants implements ConvertedConstants {
  readonly #graph: Graph;
  readonly #names = new Map<string, string>();

  constructor(graph: Graph) {
    this.#graph = graph;
  }

  convert(values: Float32Array): Float32Array<ArrayBuffer> {
    return new Float32Array(values);
  }

  nameOf(value: string, constant: Constant): string {
    let name = this.#names.get(value);
    if (name === undefined) {
      name = this.#graph.freshName(`${value}_f32`);
      const read = (): Uint8Array => new Uint8Array(this.convert(constant.floats()).buffer);
      const data = constant.storage === 'external' ? { read } : { raw: read() };
      this.#graph.addInitializer({ name, datatype: 'float32', dims: constant.dims, ...data });
      this.#names.set(value, name);
    }
    return name;
  }
}
