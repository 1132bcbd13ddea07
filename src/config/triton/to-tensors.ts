/**
 * Inputs and outputs of a config.pbtxt as clients see them and as the model sees them: the implicit batch axis before the
 * dims, and the reshape between the two. Called by to-declared.ts.
 */
import type { Datatype } from '../../core/tensor.ts';
import type { DeclaredTensor } from '../../ports/triton-config.ts';
import { wrongField } from './config-problem.ts';
import type { WrittenConfig } from './model-config-schema.ts';
import { type DataTypeName, datatypeOf } from './tensor-schema.ts';

type Written = NonNullable<WrittenConfig['input'] | WrittenConfig['output']>[number];

/** @throws INVALID_INPUT naming the field: no name or one twice, a dimension of 0 or below -1, a reshape of another size. */
export function toTensors(kind: 'input' | 'output', written: readonly Written[], batched: boolean): DeclaredTensor[] {
  const names = new Set<string>();
  return written.map((tensor, index) => {
    const path = `${kind}[${index}]`;
    const { name = '' } = tensor;
    if (name === '') throw wrongField(`${path}.name`, 'is missing; every tensor needs the name it has in the model.');
    if (names.has(name)) throw wrongField(`${path}.name`, `is "${name}", as that of another ${kind}.`);
    names.add(name);
    return toTensor(path, name, tensor, batched);
  });
}

/** @throws INVALID_INPUT for bfloat16, which no tensor of the server can hold. @returns undefined when none was written */
export function toDatatype(path: string, name: DataTypeName | undefined): Datatype | undefined {
  if (name === 'TYPE_BF16') throw wrongField(path, 'is TYPE_BF16, which is not supported here.');
  return name === undefined ? undefined : datatypeOf[name];
}

/** @throws INVALID_INPUT */
export function checkDims(path: string, dims: readonly number[]): void {
  const wrong = dims.find((dim) => dim === 0 || dim < -1);
  if (wrong !== undefined)
    throw wrongField(path, `holds ${wrong}; a dimension is at least 1, or -1 where it is variable.`);
}

function toTensor(path: string, name: string, tensor: Written, batched: boolean): DeclaredTensor {
  const { dims } = tensor;
  const reshape = tensor.reshape === undefined ? undefined : (tensor.reshape.shape ?? []);
  if (dims !== undefined) checkDims(`${path}.dims`, dims);
  if (reshape !== undefined) checkReshape(`${path}.reshape`, dims, reshape);
  const withBatch = (shape: readonly number[] | undefined) =>
    shape === undefined || !batched ? shape : [-1, ...shape];
  const labelFile = 'label_filename' in tensor ? tensor.label_filename : undefined;
  if (labelFile !== undefined) checkFileName(`${path}.label_filename`, labelFile);
  return {
    name,
    datatype: toDatatype(`${path}.data_type`, tensor.data_type),
    dims,
    ...(reshape === undefined ? {} : { reshape }),
    clientShape: withBatch(dims),
    modelShape: withBatch(reshape ?? dims),
    optional: 'optional' in tensor && tensor.optional === true,
    ...(labelFile === undefined || labelFile === '' ? {} : { labelFile }),
  };
}

/** A file lies in the model's folder or in a version of it, so its name leads nowhere else. */
export function checkFileName(path: string, name: string): void {
  if (name === '' || (/^[^/\\]+$/.test(name) && name !== '.' && name !== '..' && !name.includes('\0'))) return;
  throw wrongField(path, 'must be the name of a file in the model’s folder, without a path.');
}

/** As many elements on both sides, also between any two variable dimensions. */
function checkReshape(path: string, dims: readonly number[] | undefined, shape: readonly number[]): void {
  if (dims === undefined) throw wrongField(path, 'needs dims beside it.');
  checkDims(`${path}.shape`, shape);
  const [seen, meant] = [sections(dims), sections(shape)];
  if (seen.length === meant.length && seen.every((size, index) => size === meant[index])) return;
  throw wrongField(path, `makes [${shape.join(', ')}] of [${dims.join(', ')}], which has another number of elements.`);
}

/** Products of the dimensions before, between and after the variable ones. */
function sections(dims: readonly number[]): number[] {
  const products = [1];
  for (const dim of dims) {
    if (dim === -1) products.push(1);
    else products[products.length - 1]! *= dim;
  }
  return products;
}
