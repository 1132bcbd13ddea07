/** Loading, unloading and changing settings on behalf of clients, if the operator allows it on this port. For REST and gRPC. */
import { HotpathError } from '../../core/errors.ts';
import type { Caller } from '../../ports/access.ts';
import { audited } from '../audit.ts';
import { changedLevel, type LogSettings, logSettings } from './log-settings.ts';
import type { OipDeps } from './oip-deps.ts';
import type { LoadRequest, UnloadRequest } from './repository.ts';
import type { ControlMode } from './server-metadata.ts';

type ControlDeps = Pick<
  OipDeps,
  'catalog' | 'control' | 'logger' | 'loadOverride' | 'logLevel' | 'setLogLevel' | 'audit'
>;

/** @throws UNSUPPORTED unless the operator allowed control. */
export function requireControl(control: ControlMode): void {
  if (control === 'explicit') return;
  throw new HotpathError(
    'UNSUPPORTED',
    'Loading and unloading models and changing settings is not allowed on this port; the operator has to turn on explicit model control.',
  );
}

/**
 * Every version the policy serves, as it lies in the repository now; what runs is swapped without a gap. Returns when all are
 * ready. @throws UNSUPPORTED, MODEL_NOT_FOUND, MODEL_FAILED.
 */
export async function loadModel(deps: ControlDeps, request: LoadRequest, caller: Caller | undefined): Promise<void> {
  requireControl(deps.control);
  const { model } = request;
  await audited(deps, caller, 'model.load', model, () => load(deps, request));
  deps.logger.info({ model }, 'model loaded by a client');
}

async function load(deps: ControlDeps, request: LoadRequest): Promise<void> {
  const { model } = request;
  if (request.config !== undefined || request.files.length > 0) {
    if (deps.loadOverride === undefined) {
      throw new HotpathError(
        'UNSUPPORTED',
        'parameters.config: this server takes no model configuration in a load call.',
        {
          field: 'parameters.config',
        },
      );
    }
    await deps.loadOverride(request);
  } else {
    const { version: newest } = await deps.catalog.load(model);
    for (const { version } of await deps.catalog.list(model)) {
      if (version !== newest) await deps.catalog.load(model, version);
    }
  }
}

/** All versions; they stay away until an explicit load. @throws UNSUPPORTED, MODEL_NOT_FOUND. */
export async function unloadModel(
  deps: ControlDeps,
  { model }: UnloadRequest,
  caller: Caller | undefined,
): Promise<void> {
  requireControl(deps.control);
  await audited(deps, caller, 'model.unload', model, () => deps.catalog.unload(model, undefined, true));
  deps.logger.info({ model }, 'model unloaded by a client');
}

/** @throws UNSUPPORTED, INVALID_INPUT. */
export async function changeLogSettings(
  deps: ControlDeps,
  changes: Readonly<Record<string, unknown>>,
  caller: Caller | undefined,
): Promise<LogSettings> {
  requireControl(deps.control);
  const level = changedLevel(deps.logLevel(), changes);
  if (level !== deps.logLevel()) {
    await audited(deps, caller, 'log.level', level, () => deps.setLogLevel(level));
    deps.logger.info({ newLevel: level }, 'log level changed by a client');
  }
  return logSettings(level);
}
