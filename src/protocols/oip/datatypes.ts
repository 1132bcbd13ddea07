/** Datatype names of the protocol and of Triton's model configuration, for ours. One table each; nothing else knows them. */
import type { Datatype } from '../../core/tensor.ts';
import type { OipDatatype } from './request.ts';

/** What metadata, requests and responses call a datatype. BF16 is missing: no engine tensor has it. */
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
} as const satisfies Record<Datatype, OipDatatype>;

/** `TYPE_FP32`: the same in Triton's model configuration, where BYTES is called a string. */
export function configName(datatype: Datatype): string {
  return datatype === 'string' ? 'TYPE_STRING' : `TYPE_${oipNames[datatype]}`;
}
