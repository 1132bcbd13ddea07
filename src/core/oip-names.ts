/**
 * What the Open Inference Protocol calls our datatypes, both ways: the one table for those who speak it to clients and those who
 * speak it to upstreams. BF16 is missing: no engine tensor has it.
 */
import type { Datatype } from './tensor.ts';

export const oipNames = {
  float32: 'FP32',
  float64: 'FP64',
  float16: 'FP16',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  bool: 'BOOL',
  string: 'BYTES',
} as const satisfies Record<Datatype, string>;

const byOipName: ReadonlyMap<string, Datatype> = new Map(
  Object.entries(oipNames).map(([datatype, name]) => [name, datatype as Datatype]),
);

/** Undefined for what has no counterpart here, such as BF16. */
export function datatypeOf(oipName: string): Datatype | undefined {
  return byOipName.get(oipName);
}
