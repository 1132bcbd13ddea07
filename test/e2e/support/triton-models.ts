/** Models in Triton's layout, made on the spot: a graph of plain operators and the text of its config.pbtxt. */
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { encodeModel } from '../../../src/onnx-file/encode.ts';
import { makeModel, makeNode, makeValueInfo } from '../../../src/onnx-file/model.ts';
import { post, type TestServer } from './serve.ts';

type Dims = readonly (number | string)[];

export interface Operators {
  /** `[operator, inputs, outputs]` */
  readonly nodes: readonly (readonly [string, readonly string[], readonly string[]])[];
  /** float32 */
  readonly inputs: Readonly<Record<string, Dims>>;
  readonly outputs: Readonly<Record<string, Dims>>;
}

export async function put(models: string, path: string, contents: string | Uint8Array): Promise<void> {
  const full = join(models, path);
  await mkdir(dirname(full), { recursive: true });
  await writeFile(full, contents);
}

export async function storeOperators(
  models: string,
  name: string,
  operators: Operators,
  config?: string,
): Promise<void> {
  const values = (tensors: Readonly<Record<string, Dims>>) =>
    Object.entries(tensors).map(([tensor, dims]) => makeValueInfo(tensor, 'float32', dims));
  const graph = {
    name,
    nodes: operators.nodes.map(([type, inputs, outputs]) => makeNode(type, [...inputs], [...outputs])),
    inputs: values(operators.inputs),
    outputs: values(operators.outputs),
    initializers: [],
  };
  await put(models, `${name}/1/model.onnx`, encodeModel(makeModel({ opsets: [{ domain: '', version: 17 }], graph })));
  if (config !== undefined) await put(models, `${name}/config.pbtxt`, config);
}

/** Float32 inputs in, status and outputs by name, or the error, out. */
export async function inferFloats(
  server: TestServer,
  model: string,
  inputs: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }>>,
  parameters?: Readonly<Record<string, unknown>>,
) {
  const { status, body } = await post(`${server.url}/v2/models/${model}/infer`, {
    inputs: Object.entries(inputs).map(([name, tensor]) => ({ name, datatype: 'FP32', ...tensor })),
    ...(parameters === undefined ? {} : { parameters }),
  });
  // biome-ignore lint/suspicious/noExplicitAny: answers are read field by field in assertions
  const outputs = Object.fromEntries((body.outputs ?? []).map((output: any) => [output.name, output]));
  return { status, outputs, error: body.error as string | undefined };
}
