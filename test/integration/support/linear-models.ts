/** Small models of fully connected layers for the tests of passes that quantize them. */
import { encodeModel } from '../../../src/onnx-file/encode.ts';
import type { Attribute, Node, TensorLiteral } from '../../../src/onnx-file/model.ts';
import { float, int, makeModel, makeNode, makeTensor, makeValueInfo } from '../../../src/onnx-file/model.ts';
import type { Dataset } from '../../../src/optimizer/pass.ts';
import { sqnrDb } from '../../../src/optimizer/quantize/sqnr.ts';
import { normalValues, runRows } from './optimizer-runner.ts';

export interface LinearModelParts {
  readonly nodes: readonly Node[];
  readonly initializers: readonly TensorLiteral[];
  /** Of the input `x`. */
  readonly dims: readonly (number | string)[];
  readonly outputs: readonly string[];
  /** @default 13 */
  readonly opset?: number;
}

/** From `x` float32 to outputs of two dimensions. */
export function linearModel({
  nodes,
  initializers,
  dims,
  outputs,
  opset = 13,
}: LinearModelParts): Uint8Array<ArrayBuffer> {
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: opset }],
      graph: {
        name: 'linear',
        nodes,
        initializers,
        inputs: [makeValueInfo('x', 'float32', dims)],
        outputs: outputs.map((name) =>
          makeValueInfo(
            name,
            'float32',
            dims.map((_, axis) => `${name}_${axis}`),
          ),
        ),
      },
    }),
  );
}

/** Normally distributed, of variance 1 / first dimension. */
export function weights(name: string, dims: readonly number[], seed = 3): TensorLiteral {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const data = normalValues(count, seed).map((value) => value / Math.sqrt(dims[0] ?? 1));
  return makeTensor(name, 'float32', dims, data);
}

export interface GemmCase {
  readonly title: string;
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Dims of the weight, [inner, outer] unless transB. */
  readonly weight: readonly number[];
  readonly bias?: readonly number[];
  /** The bias is computed from x. */
  readonly computedBias?: boolean;
}

const [inner, outer] = [70, 24];

export const gemmCases: readonly GemmCase[] = [
  { title: 'without bias', attributes: {}, weight: [inner, outer] },
  { title: 'transB and a bias', attributes: { transB: int(1) }, weight: [outer, inner], bias: [outer] },
  { title: 'alpha', attributes: { alpha: float(-2.5) }, weight: [inner, outer], bias: [outer] },
  { title: 'beta and a bias row', attributes: { beta: float(3) }, weight: [inner, outer], bias: [1, outer] },
  { title: 'beta and a bias of one number', attributes: { beta: float(0.5) }, weight: [inner, outer], bias: [1] },
  { title: 'a scalar bias', attributes: {}, weight: [inner, outer], bias: [] },
  { title: 'a bias per row', attributes: { beta: float(2) }, weight: [inner, outer], bias: [16, 1] },
  { title: 'beta 0', attributes: { beta: float(0) }, weight: [inner, outer], bias: [outer] },
  { title: 'a computed bias', attributes: { beta: float(2) }, weight: [inner, outer], computedBias: true },
];

/** One Gemm from `x` [batch, 70] to `y` [batch, 24]. */
export function gemmModel({ attributes, weight, bias, computedBias = false }: GemmCase): Uint8Array<ArrayBuffer> {
  const nodes: Node[] = [];
  const initializers = [weights('w', weight)];
  const inputs = ['x', 'w'];
  if (bias !== undefined) {
    initializers.push(weights('b', bias, 5));
    inputs.push('b');
  }
  if (computedBias) {
    initializers.push(makeTensor('axes', 'int64', [1], BigInt64Array.of(1n)));
    nodes.push(makeNode('ReduceSum', ['x', 'axes'], ['b']));
    inputs.push('b');
  }
  nodes.push(makeNode('Gemm', inputs, ['y'], attributes));
  return linearModel({ nodes, initializers, dims: ['batch', inner], outputs: ['y'] });
}

/** Of output `name` over the rows of `data`, in decibels. */
export async function compareRows(
  origin: Uint8Array | string,
  variant: Uint8Array | string,
  data: Dataset,
  name: string,
): Promise<number> {
  const [expected, found] = [await runRows(origin, data), await runRows(variant, data)];
  return sqnrDb(expected[name]!.data as Float32Array, found[name]!.data as Float32Array);
}
