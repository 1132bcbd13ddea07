/** The source of features of a version that is being loaded, where its configuration names one. Called by both ways of loading. */
import type { ModelConfig } from '../../ports/model-source.ts';
import type { ModelView } from '../types.ts';
import type { ModelRunner, OpenFeatures, RegistryDeps } from './dependencies.ts';

/** @throws MODEL_FAILED when the configuration cannot work. Nothing is asked of the source yet. */
export async function openFeatures<R extends ModelRunner>(
  deps: RegistryDeps<R>,
  { features }: ModelConfig,
  { name, signature }: ModelView,
): Promise<OpenFeatures | undefined> {
  return features === undefined ? undefined : deps.openFeatures?.(name, features, signature.inputs);
}
