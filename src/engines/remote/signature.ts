/** The signature of a remote model from its upstream's metadata. Called once per load, for both protocols. */
import { HotpathError } from '../../core/errors.ts';
import { datatypeOf } from '../../core/oip-names.ts';
import type { Signature, TensorSpec } from '../../core/tensor.ts';
import { brokenAnswer } from './upstream-failure.ts';

export interface WrittenSpec {
  readonly name: string;
  /** As the protocol writes it: `FP32`. */
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** @throws MODEL_FAILED for an input of a datatype that no tensor here has; such outputs are left out. */
export function signatureOf(inputs: readonly WrittenSpec[], outputs: readonly WrittenSpec[]): Signature {
  if (inputs.length === 0 || outputs.length === 0) throw brokenAnswer('the metadata names no inputs or no outputs');
  const known = (spec: WrittenSpec) => datatypeOf(spec.datatype) !== undefined;
  const foreign = inputs.find((spec) => !known(spec));
  if (foreign !== undefined) {
    const message = `The upstream’s input "${foreign.name}" has the datatype ${foreign.datatype}, which is not served here.`;
    throw new HotpathError('MODEL_FAILED', message);
  }
  return {
    inputs: inputs.map(toSpec),
    outputs: outputs.filter(known).map(toSpec),
    skippedOutputs: outputs.filter((spec) => !known(spec)).map(({ name }) => name),
  };
}

function toSpec({ name, datatype, shape }: WrittenSpec): TensorSpec {
  return { name, datatype: datatypeOf(datatype)!, shape: shape.map((dim) => (dim < 0 ? -1 : dim)) };
}
