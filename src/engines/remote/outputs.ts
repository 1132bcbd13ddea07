/**
 * The outputs of an answer, checked against the signature and put into the order they are wanted in. An upstream whose model was
 * exchanged for one with another signature must not get its answers into ours. Called once per answer, for both protocols.
 */
import type { Signature, Tensor } from '../../core/tensor.ts';
import { brokenAnswer } from './upstream-failure.ts';

export interface NamedOutput {
  readonly name: string;
  readonly tensor: Tensor;
}

/** @throws UpstreamFailure for an output that is missing or of another datatype or rank. */
export function arrangeOutputs(
  signature: Signature,
  wanted: readonly string[],
  answered: readonly NamedOutput[],
): readonly Tensor[] {
  return wanted.map((name, index) => {
    const inPlace = answered[index];
    const found = inPlace?.name === name ? inPlace : answered.find((output) => output.name === name);
    if (found === undefined) throw brokenAnswer(`output "${name}" is missing`);
    const spec = signature.outputs.find((output) => output.name === name);
    const { datatype, shape } = found.tensor;
    if (spec !== undefined && (datatype !== spec.datatype || shape.length !== spec.shape.length)) {
      throw brokenAnswer(`output "${name}" is ${datatype} of rank ${shape.length}, unlike the model’s metadata`);
    }
    return found.tensor;
  });
}
