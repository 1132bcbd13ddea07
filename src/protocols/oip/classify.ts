/**
 * The classification extension: an output as its best classes instead of all values, each a string `value:index[:label]`. Used
 * by REST and gRPC. Values are written as short as they read back exactly; Triton writes floats with six decimals.
 */
import type { NamedTensor, TensorData } from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import { fromFloat16Bits } from '../codecs/float16.ts';
import { float32Text } from '../codecs/number-text.ts';
import { topIndices, type Values } from './top-classes.ts';

/** Shape `[rows, classes]` for models with a batch axis, else `[classes]` over all elements. */
export function classify(output: NamedTensor, classes: number, model: ModelView): NamedTensor {
  const { name, shape } = output;
  const values = valuesOf(output);
  const rows = model.batchable && shape.length > 0 ? shape[0]! : 1;
  const perRow = rows === 0 ? 0 : values.length / rows;
  const count = Math.min(classes, perRow);
  const labels = model.outputLabels?.[name] ?? model.labels;
  const texts: string[] = [];
  for (let row = 0; row < rows; row++) {
    const start = row * perRow;
    for (const index of topIndices(values, start, start + perRow, count)) {
      const label = labels?.[index];
      const value = textOf(output, values[start + index]!);
      texts.push(label === undefined ? `${value}:${index}` : `${value}:${index}:${label}`);
    }
  }
  return {
    name,
    datatype: 'string',
    shape: model.batchable && shape.length > 0 ? [rows, count] : [count],
    data: texts,
  };
}

function valuesOf({ datatype, data }: NamedTensor): Values {
  return datatype === 'float16'
    ? Float64Array.from(data as Uint16Array, fromFloat16Bits)
    : (data as Exclude<TensorData, string[]>);
}

function textOf({ datatype }: NamedTensor, value: number | bigint): string {
  return datatype === 'float32' && Number.isFinite(value) ? float32Text(value as number) : String(value);
}
