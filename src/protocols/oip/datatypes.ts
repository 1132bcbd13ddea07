/** Datatype names of Triton's model configuration, for ours. */
import { oipNames } from '../../core/oip-names.ts';
import type { Datatype } from '../../core/tensor.ts';

/** `TYPE_FP32`: as the protocol has it, but for BYTES, which is called a string. */
export function configName(datatype: Datatype): string {
  return datatype === 'string' ? 'TYPE_STRING' : `TYPE_${oipNames[datatype]}`;
}
