/** Small models for the REST tests: one identity per datatype, and one with several inputs. Written into a model folder. */
import type { Datatype } from '../../../src/core/tensor.ts';
import { encodeModel } from '../../../src/onnx-file/encode.ts';
import { makeModel, makeNode, makeValueInfo, type ValueInfo } from '../../../src/onnx-file/model.ts';
import type { ModelConfig } from '../../../src/ports/model-source.ts';
import { storeModel } from '../../../src/training/store-model.ts';

/** Stores a model `name` that answers its input `X` of any shape `[rows, width]` as output `Y`. */
export async function storeIdentity(
  models: string,
  name: string,
  datatype: Datatype,
  config: ModelConfig = {},
  dims: readonly (number | string)[] = ['rows', 'width'],
): Promise<void> {
  const bytes = modelBytes(
    [makeNode('Identity', ['X'], ['Y'])],
    [makeValueInfo('X', datatype, dims)],
    [makeValueInfo('Y', datatype, dims)],
  );
  await storeModel(models, name, '1', bytes, config);
}

/** `sum = a + b + c`, float32 `[rows, 2]` each. */
export async function storeAdd(models: string, name = 'add'): Promise<void> {
  const value = (label: string): ValueInfo => makeValueInfo(label, 'float32', ['rows', 2]);
  const bytes = modelBytes(
    [makeNode('Add', ['a', 'b'], ['ab']), makeNode('Add', ['ab', 'c'], ['sum'])],
    [value('a'), value('b'), value('c')],
    [value('sum')],
  );
  await storeModel(models, name, '1', bytes, {});
}

function modelBytes(
  nodes: readonly ReturnType<typeof makeNode>[],
  inputs: readonly ValueInfo[],
  outputs: readonly ValueInfo[],
): Uint8Array {
  const graph = { name: 'test', nodes, inputs, outputs, initializers: [] };
  return encodeModel(makeModel({ opsets: [{ domain: '', version: 17 }], graph }));
}
