/**
 * A model for the descriptive calls of the protocol, loaded as its first request would load it: clients of other servers ask for
 * readiness or metadata before they infer, and expect every model of the repository to be there. Used by REST and gRPC.
 */
import { HotpathError } from '../../core/errors.ts';
import type { LoadedStatus, ModelCatalog, ModelStatus } from '../../core/registry/catalog.ts';
import { quote } from '../codecs/value-text.ts';

export interface ModelLookup {
  readonly catalog: ModelCatalog;
  /** Loads the version unless it is loaded, as its first request would. Never throws: the status tells. */
  readonly warm: (model: string, version: string | undefined) => Promise<void>;
  /** The model's own Triton configuration in its JSON form, defaults filled in; undefined where it has none. */
  readonly writtenConfig?: (model: string, instances: number) => Promise<object | undefined>;
}

export interface LoadedModelStatus extends ModelStatus {
  readonly loaded: LoadedStatus;
}

/** Its status after an attempt to load it. @throws MODEL_NOT_FOUND. */
export async function warmStatus(
  { catalog, warm }: ModelLookup,
  model: string,
  version?: string,
): Promise<ModelStatus> {
  await warm(model, version);
  return catalog.describe(model, version);
}

/** @throws MODEL_NOT_FOUND; MODEL_FAILED or MODEL_NOT_READY with the reason when it cannot be loaded. */
export async function loadedStatus(lookup: ModelLookup, model: string, version?: string): Promise<LoadedModelStatus> {
  const status = await warmStatus(lookup, model, version);
  if (status.loaded !== undefined) return { ...status, loaded: status.loaded };
  const why = status.reason === undefined ? '' : `: ${status.reason}`;
  throw new HotpathError(
    status.state === 'failed' ? 'MODEL_FAILED' : 'MODEL_NOT_READY',
    `Model ${quote(model)} version ${status.version} is ${status.state}${why}`,
  );
}
