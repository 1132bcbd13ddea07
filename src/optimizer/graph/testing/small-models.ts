/** Small models for the tests of the graph and of passes. */
import { encodeModel } from '../../../onnx-file/encode.ts';
import type { Node, TensorLiteral } from '../../../onnx-file/model.ts';
import { makeModel, makeNode, makeTensor, makeValueInfo } from '../../../onnx-file/model.ts';
import type { Graph } from '../graph.ts';
import { graphFromBytes } from '../load.ts';

export function float32Tensor(name: string, dims: readonly number[], ...values: number[]): TensorLiteral {
  return makeTensor(name, 'float32', dims, Float32Array.from(values));
}

/** Nodes from `x` to `y`, both [batch, 2], as a checked graph; unchecked with `check: false`. */
export function graphOf(
  nodes: readonly Node[],
  initializers: readonly TensorLiteral[] = [],
  options: { readonly check?: boolean; readonly output?: string } = {},
): Graph {
  return graphFromBytes(bytesOf(nodes, initializers, options.output), { check: options.check ?? true });
}

export function bytesOf(
  nodes: readonly Node[],
  initializers: readonly TensorLiteral[] = [],
  output = 'y',
  datatype: 'float32' | 'float16' = 'float32',
): Uint8Array {
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: 17 }],
      graph: {
        name: 'test',
        nodes,
        initializers,
        inputs: [makeValueInfo('x', datatype, ['batch', 2])],
        outputs: [makeValueInfo(output, datatype, ['batch', 2])],
      },
    }),
  );
}

/** x -> MatMul(w) -> h -> Add(b) -> s -> Relu -> y; w is 2x2, b has 2 elements. */
export function linearGraph(): Graph {
  return graphOf(
    [makeNode('MatMul', ['x', 'w'], ['h']), makeNode('Add', ['h', 'b'], ['s']), makeNode('Relu', ['s'], ['y'])],
    [float32Tensor('w', [2, 2], 1, 2, 3, 4), float32Tensor('b', [2], 10, 20)],
  );
}
