/**
 * The step of infer.ts between the model and decoding, for requests that name entities: fetches their features and hands them to the
 * protocol, which joins them with the request's own and checks both.
 */
import type { FeatureRow } from '../../ports/feature-source.ts';
import { HotpathError } from '../errors.ts';
import type { InferCall } from '../types.ts';
import type { FeatureCache } from './feature-cache.ts';

/**
 * Undefined when everything was in memory, and then it is done. `call.entities` is set.
 * @throws INVALID_INPUT when the model has no source of features or an entity is unknown, and what FeatureCache.getMany throws.
 */
export function joinFeatures(
  features: Pick<FeatureCache, 'getMany'> | undefined,
  call: InferCall,
  model: string,
): Promise<void> | undefined {
  if (features === undefined) {
    const message = `The model "${model}" has no source of features ("features" in its model.json); send the values themselves.`;
    throw new HotpathError('INVALID_INPUT', message, { field: 'entity', expected: 'nothing' });
  }
  const rows = features.getMany(call.entities!, call.timeoutMs, call.cancel);
  if (rows instanceof Promise) return rows.then((fetched) => call.join?.(fetched));
  call.join?.(rows as readonly (FeatureRow | undefined)[]);
  return undefined;
}
