/**
 * The inputs of a request that names an entity: what the request brings, and for every other input of the model what the source of
 * features knows. One row. Called by every wire of the protocol once the features are there.
 */
import type { Signature, Tensor, TensorSpec } from '../../core/tensor.ts';
import type { ModelView } from '../../core/types.ts';
import type { FeatureRow } from '../../ports/feature-source.ts';
import { knownRow, readJoinedRow } from '../codecs/read-joined.ts';
import { type BindLimits, bindInputs } from './bind-inputs.ts';
import { expectedAt, inputField } from './field-errors.ts';
import type { OipRequest } from './request.ts';

/** One tensor per input of the signature, in its order. @throws INVALID_INPUT. */
export function bindJoined(
  request: OipRequest,
  model: ModelView,
  limits: BindLimits,
  entity: string,
  fetched: FeatureRow | undefined,
): readonly Tensor[] {
  const { signature } = model;
  const known = knownRow('parameters.entity', entity, fetched);
  const isOwn = ({ name }: TensorSpec): boolean => request.inputs.some((input) => input.name === name);
  const own = signature.inputs.filter(isOwn);
  // With unknown names or too many, it is the whole signature that says so.
  const tensors = bindInputs(request, request.inputs.length === own.length ? part(model, own) : model, limits);
  for (const [index, { shape }] of tensors.entries()) checkOneRow(own[index]!, shape, model);
  const others = signature.inputs.filter((spec) => !isOwn(spec));
  const joined = readJoinedRow(entity, known, undefined, part(model, others));
  return signature.inputs.map((spec) => (isOwn(spec) ? tensors[own.indexOf(spec)] : joined[others.indexOf(spec)])!);
}

function part(model: ModelView, inputs: readonly TensorSpec[]): ModelView {
  const signature: Signature = { ...model.signature, inputs };
  return { ...model, signature };
}

function checkOneRow({ name }: TensorSpec, shape: readonly number[], { batchable }: ModelView): void {
  if (!batchable || shape[0] === 1) return;
  throw expectedAt(`${inputField(name)}.shape`, 'one row beside the parameter "entity"', `${shape[0]} rows`);
}
