/** Float16 constants as float32, which holds them exactly. Called by float32.ts. */
import type { Graph } from '../../graph/graph.ts';
import { ConvertedConstants } from './converted-constants.ts';

export class SingleConstants extends ConvertedConstants {
  constructor(graph: Graph) {
    super(graph, 'float32');
  }

  convert(values: Float32Array): Float32Array<ArrayBuffer> {
    return new Float32Array(values);
  }
}
