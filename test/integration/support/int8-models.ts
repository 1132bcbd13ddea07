/**
 * Small models and checks for tests of INT8 passes: layers between an input `x` and an output `y`, quantized and compared with what
 * they were. Called by the integration tests of static quantization, SmoothQuant and mixed precision.
 */
import assert from 'node:assert/strict';
import type { HotpathError } from '../../../src/core/errors.ts';
import { encodeModel } from '../../../src/onnx-file/encode.ts';
import type { Node, TensorLiteral } from '../../../src/onnx-file/model.ts';
import { ints, makeModel, makeNode, makeTensor, makeValueInfo } from '../../../src/onnx-file/model.ts';
import type { Graph } from '../../../src/optimizer/graph/graph.ts';
import { graphFromBytes } from '../../../src/optimizer/graph/load.ts';
import type { Dataset, PassReport } from '../../../src/optimizer/pass.ts';
import type { StaticInt8Settings } from '../../../src/optimizer/passes/static-int8.ts';
import { staticInt8 } from '../../../src/optimizer/passes/static-int8.ts';
import { sqnrDb } from '../../../src/optimizer/quantize/sqnr.ts';
import { normalValues, optimizedOperators, passContext, runRows } from './optimizer-runner.ts';

/** Normally distributed, so that sums over the inputs have variance 1. */
export function weights(name: string, dims: readonly number[], fanIn: number, seed = name.length): TensorLiteral {
  const count = dims.reduce((product, dim) => product * dim, 1);
  const values = normalValues(count, seed + 100).map((value) => value / Math.sqrt(fanIn));
  return makeTensor(name, 'float32', dims, values as Float32Array<ArrayBuffer>);
}

export interface SmallModel {
  readonly nodes: readonly Node[];
  readonly initializers: readonly TensorLiteral[];
  /** Of input `x`, without the batch. */
  readonly row: readonly number[];
  /** Of output `y`, without the batch. */
  readonly answer: readonly number[];
  readonly opset?: number;
}

export function build({ nodes, initializers, row, answer, opset = 13 }: SmallModel): Uint8Array<ArrayBuffer> {
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: opset }],
      graph: {
        name: 'small',
        nodes,
        initializers,
        inputs: [makeValueInfo('x', 'float32', ['batch', ...row])],
        outputs: [makeValueInfo('y', 'float32', ['batch', ...answer])],
      },
    }),
  );
}

export interface Quantized {
  readonly report: PassReport;
  readonly graph: Graph;
  readonly bytes: Uint8Array;
}

export async function quantize(
  model: Uint8Array,
  data: Dataset | undefined,
  settings: StaticInt8Settings = {},
): Promise<Quantized> {
  const graph = graphFromBytes(model);
  const report = await staticInt8(graph, settings, passContext(data));
  return { report, graph, bytes: graph.check().toBytes() };
}

export async function sqnr(reference: Uint8Array, model: Uint8Array, data: Dataset, output = 'y'): Promise<number> {
  const [expected, actual] = [await runRows(reference, data), await runRows(model, data)];
  return sqnrDb(expected[output]!.data as Float32Array, actual[output]!.data as Float32Array);
}

/** The runtime's own graph holds what the report promises, and dequantizes no weight. */
export async function assertFused(
  bytes: Uint8Array,
  expected: Readonly<Record<string, number>> | undefined,
  floats = 0,
) {
  const found = await optimizedOperators(bytes);
  for (const [kernel, count] of Object.entries(expected ?? {})) assert.equal(found[kernel], count, kernel);
  for (const kernel of ['Conv', 'FusedConv', 'Gemm', 'FusedGemm', 'MatMul'])
    assert.equal(found[kernel], undefined, kernel);
  assert.ok((found.DequantizeLinear ?? 0) <= floats, `${found.DequantizeLinear} DequantizeLinear`);
  return found;
}

export const kernel = (size: number, stride = 1, pad = 0) => ({
  kernel_shape: ints([size, size]),
  strides: ints([stride, stride]),
  pads: ints([pad, pad, pad, pad]),
});

/** From a picture `last` to a row of features `flat`. */
export const flat = [makeNode('GlobalAveragePool', ['last'], ['mean']), makeNode('Flatten', ['mean'], ['flat'])];

/** For assert.rejects. */
export const refusal =
  (pattern: RegExp, code = 'INVALID_INPUT') =>
  (error: unknown) => {
    assert.equal((error as HotpathError).code, code);
    assert.match((error as HotpathError).message, pattern);
    return true;
  };
