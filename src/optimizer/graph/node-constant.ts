/** The tensor that a Constant node makes, in any of its forms. Called by graph-queries.ts. Pure. */
import { makeTensor } from '../../onnx-file/model.ts';
import type { Constant } from './constant.ts';
import { constantFrom } from './constant.ts';
import type { Node } from './node.ts';

/** Undefined for other nodes, and for sparse constants. */
export function constantOfNode(node: Node): Constant | undefined {
  if (node.opType !== 'Constant' || node.domain !== '') return undefined;
  const name = node.outputs[0] ?? '';
  const tensor = node.tensor('value');
  if (tensor !== undefined) return tensor.renamed(name);
  const floats = (list: readonly number[], dims: number[]) =>
    constantFrom(makeTensor(name, 'float32', dims, Float32Array.from(list)));
  const integers = (list: readonly number[], dims: number[]) =>
    constantFrom(makeTensor(name, 'int64', dims, BigInt64Array.from(list, BigInt)));
  const texts = (strings: readonly string[], dims: number[]) =>
    constantFrom({ name, datatype: 'string', dims, strings });
  switch (node.attributeNames[0]) {
    case 'value_float':
      return floats([node.float('value_float', 0)], []);
    case 'value_floats':
      return floats(node.floats('value_floats')!, [node.floats('value_floats')!.length]);
    case 'value_int':
      return integers([node.int('value_int', 0)], []);
    case 'value_ints':
      return integers(node.ints('value_ints')!, [node.ints('value_ints')!.length]);
    case 'value_string':
      return texts([node.text('value_string', '')], []);
    case 'value_strings':
      return texts(node.texts('value_strings')!, [node.texts('value_strings')!.length]);
    default:
      return undefined;
  }
}
