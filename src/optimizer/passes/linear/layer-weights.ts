/**
 * Weights and biases of fully connected layers in the one form that the quantizing passes write: [inner, outer], alpha and beta
 * multiplied in. Called by those passes. Reads constants when asked, so that weights in other files pass through one by one.
 */
import { invalidInput } from '../../../core/errors.ts';
import type { Node as NodeLiteral } from '../../../onnx-file/model.ts';
import { makeNode, makeTensor } from '../../../onnx-file/model.ts';
import type { Constant } from '../../graph/constant.ts';
import type { Graph } from '../../graph/graph.ts';
import { firstNotFinite } from '../../quantize/affine.ts';
import type { LinearLayer } from './find-layers.ts';
import { layerName } from './find-layers.ts';

/** Side of the tiles in which a matrix is turned: reads and writes of one stay in the first-level cache. */
const tile = 32;

/** The elements as they are stored. May be a view: read only. @throws INVALID_INPUT for NaN and infinity, naming the node */
export function storedWeights({ node, weight }: LinearLayer): Float32Array {
  const values = weight.floats();
  const at = firstNotFinite(values);
  if (at >= 0) {
    throw invalidInput(
      layerName(node),
      `The weight "${weight.name}" of node "${layerName(node)}" (${node.opType}) holds ${values[at]} at element ${at}: such a layer cannot be quantized.`,
    );
  }
  return values;
}

/** [inner, outer] with alpha. May be a view: read only. */
export function layerWeights(layer: LinearLayer): Float32Array {
  const stored = storedWeights(layer);
  const turned = layer.transposed
    ? transpose(stored, layer.outer, layer.inner, new Float32Array(stored.length))
    : stored;
  return layer.alpha === 1 ? turned : turned.map((value) => value * layer.alpha);
}

/** `from` [rows, columns] into `to` [columns, rows], which is given back. */
export function transpose<T extends Float32Array | Int8Array>(from: T, rows: number, columns: number, to: T): T {
  for (let row = 0; row < rows; row += tile) {
    for (let column = 0; column < columns; column += tile) {
      const [lastRow, lastColumn] = [Math.min(row + tile, rows), Math.min(column + tile, columns)];
      for (let j = column; j < lastColumn; j++) {
        for (let i = row; i < lastRow; i++) to[j * rows + i] = from[i * columns + j]!;
      }
    }
  }
  return to;
}

/**
 * The bias as the value to add to the product, and the nodes that make it (none where it is constant); undefined without one.
 * A constant row becomes a vector of `outer`, the form that the runtime fuses.
 */
export function layerBias(
  graph: Graph,
  layer: LinearLayer,
): { readonly value: string; readonly isVector: boolean; readonly nodes: readonly NodeLiteral[] } | undefined {
  const { bias, beta, outer } = layer;
  if (bias === undefined || beta === 0) return undefined;
  const constant = graph.constantOf(bias);
  if (constant !== undefined) return { ...constantBias(graph, constant, layer), nodes: [] };
  const isVector = graph.typeOf(bias)?.dims?.join() === String(outer);
  if (beta === 1) return { value: bias, isVector, nodes: [] };
  const factor = graph.addInitializer(
    makeTensor(graph.freshName(`${bias}_beta`), 'float32', [], Float32Array.of(beta)),
  );
  const scaled = graph.freshName(`${bias}_scaled`);
  return { value: scaled, isVector, nodes: [makeNode('Mul', [bias, factor.name], [scaled])] };
}

function constantBias(
  graph: Graph,
  constant: Constant,
  { bias, beta, outer }: LinearLayer,
): { readonly value: string; readonly isVector: boolean } {
  const isRow = constant.dims.slice(0, -1).every((dim) => dim === 1) && [1, outer].includes(constant.dims.at(-1) ?? 1);
  if (beta === 1 && (!isRow || constant.dims.join() === String(outer))) return { value: bias!, isVector: isRow };
  const values = constant.floats();
  const data = Float32Array.from({ length: isRow ? outer : values.length }, (_, at) => {
    return beta * values[values.length === 1 ? 0 : at]!;
  });
  const literal = makeTensor(graph.freshName(`${bias}_vector`), 'float32', isRow ? [outer] : constant.dims, data);
  return { value: graph.addInitializer(literal).name, isVector: isRow };
}
