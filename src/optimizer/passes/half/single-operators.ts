/**
 * Operators that float16.ts leaves in float32: those that the standard does not define for float16, those whose output type is an
 * attribute, and those that lose what they are for. Data only; settings may add to it.
 */
import type { Node } from '../../graph/node.ts';

export const singleOperators: ReadonlySet<string> = new Set([
  'Bernoulli',
  'BitCast',
  'BlackmanWindow',
  'ConcatFromSequence',
  'CumSum',
  'DFT',
  'DequantizeLinear',
  'DynamicQuantizeLinear',
  'EyeLike',
  'HammingWindow',
  'HannWindow',
  'ImageDecoder',
  'IsInf',
  'MelWeightMatrix',
  'Multinomial',
  'NonMaxSuppression',
  'OneHot',
  'Optional',
  'OptionalGetElement',
  'OptionalHasElement',
  'QuantizeLinear',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Range',
  'RoiAlign',
  'STFT',
  'ScatterElements',
  'ScatterND',
  'SequenceAt',
  'SequenceConstruct',
  'SequenceEmpty',
  'SequenceErase',
  'SequenceInsert',
  'SequenceLength',
  'SequenceMap',
  'SplitToSequence',
  'TfIdfVectorizer',
]);

/** Inputs that are float32 whatever the operator computes in. */
const singleInputs: Readonly<Record<string, readonly number[]>> = { Resize: [2], Upsample: [1] };

export function isSingleInput(node: Node, index: number, opset: number): boolean {
  // Before operator set 11 the scales of Resize stood second.
  if (node.opType === 'Resize' && opset < 11) return index === 1;
  return singleInputs[node.opType]?.includes(index) ?? false;
}
