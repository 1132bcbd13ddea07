/**
 * Small models of a few layers from `x` to `y`, and drawn weights for them. For the tests of pruning and of the repair after it, of
 * gradients and of fine-tuning.
 */
import { elementCount } from '../../../src/core/tensor.ts';
import { encodeModel } from '../../../src/onnx-file/encode.ts';
import type { Attribute, Node, TensorLiteral } from '../../../src/onnx-file/model.ts';
import { int, ints, makeModel, makeTensor, makeValueInfo, string } from '../../../src/onnx-file/model.ts';
import type { Graph } from '../../../src/optimizer/graph/graph.ts';
import { graphFromBytes } from '../../../src/optimizer/graph/load.ts';
import type { Dataset } from '../../../src/optimizer/pass.ts';
import { normalValues, runRows } from './optimizer-runner.ts';

export interface LayerModel {
  /** Dims of `x`. */
  readonly input: readonly (number | string)[];
  readonly nodes: readonly Node[];
  readonly constants: readonly TensorLiteral[];
  /** @default 17 */
  readonly opset?: number;
}

/** Normal values of the dims it is asked for, others at each call: their seeds are counted up from this one. */
export function normalSeries(seed: number): (dims: readonly number[]) => Float32Array<ArrayBuffer> {
  return (dims) => normalValues(elementCount(dims), ++seed);
}

/** Makes weights of a series, times a factor. */
export function weightMaker(next: ReturnType<typeof normalSeries>, factor = 1) {
  return (name: string, dims: readonly number[], scale = factor): TensorLiteral =>
    makeTensor(
      name,
      'float32',
      dims,
      next(dims).map((value) => value * scale),
    );
}

/** Shapes, axes, sizes. */
export const whole = (name: string, values: readonly number[]): TensorLiteral =>
  makeTensor(name, 'int64', [values.length], BigInt64Array.from(values, BigInt));

export const attributes = (
  given: Readonly<Record<string, number | readonly number[] | string>>,
): Record<string, Attribute> =>
  Object.fromEntries(
    Object.entries(given).map(([name, value]) => [
      name,
      typeof value === 'number' ? int(value) : typeof value === 'string' ? string(value) : ints(value),
    ]),
  );

export function layerModel({ nodes, constants, input, opset = 17 }: LayerModel): Graph {
  return graphFromBytes(
    encodeModel(
      makeModel({
        opsets: [{ domain: '', version: opset }],
        graph: {
          name: 'case',
          nodes,
          initializers: constants,
          inputs: [makeValueInfo('x', 'float32', input)],
          outputs: [{ name: 'y', datatype: 'float32', dims: [] }],
        },
      }),
    ),
  );
}

/** For batches of rows of shape `input`, with an output that the runtime may give any shape; opset 13 unless told. */
export function batchModel({ input, ...rest }: LayerModel): Graph {
  const graph = layerModel({ opset: 13, ...rest, input: ['batch', ...input] });
  graph.removeGraphOutput('y');
  graph.addUntypedOutput('y');
  return graph;
}

export const answersOf = async (graph: Graph, data: Dataset): Promise<Float32Array> =>
  (await runRows(graph.toBytes(), data)).y!.data as Float32Array;

/** Of a Conv of 3 x 3 that keeps the size of its picture. */
export const padded = { pads: ints([1, 1, 1, 1]) };
