/**
 * Operators that float16.ts leaves in float32, and float32.ts in float16: those that the standard does not define for float16, those whose
 * output type is an attribute or a sequence, and those that lose what they are for. Data only; settings may add to it.
 */
import type { Node } from '../../graph/node.ts';

/** What they make has the type that an attribute says, or one that holds tensors of a type: they are left as they are. */
export const fixedOperators: ReadonlySet<string> = new Set([
  'Bernoulli',
  'BitCast',
  'BlackmanWindow',
  'ConcatFromSequence',
  'EyeLike',
  'HammingWindow',
  'HannWindow',
  'Multinomial',
  'Optional',
  'OptionalGetElement',
  'OptionalHasElement',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'SequenceAt',
  'SequenceConstruct',
  'SequenceEmpty',
  'SequenceErase',
  'SequenceInsert',
  'SequenceLength',
  'SequenceMap',
  'SplitToSequence',
]);

export const singleOperators: ReadonlySet<string> = new Set([
  ...fixedOperators,
  'CumSum',
  'DFT',
  'DequantizeLinear',
  'DynamicQuantizeLinear',
  'ImageDecoder',
  'IsInf',
  'MelWeightMatrix',
  'NonMaxSuppression',
  'OneHot',
  'QuantizeLinear',
  'Range',
  'RoiAlign',
  'STFT',
  'ScatterElements',
  'ScatterND',
  'TfIdfVectorizer',
]);

/** Inputs that are float32 whatever the operator computes in. */
const singleInputs: Readonly<Record<string, readonly number[]>> = { Resize: [2], Upsample: [1] };

export function isSingleInput(node: Node, index: number, opset: number): boolean {
  // Before operator set 11 the scales of Resize stood second.
  if (node.opType === 'Resize' && opset < 11) return index === 1;
  return singleInputs[node.opType]?.includes(index) ?? false;
}
