/** The sentences of the registry's refusals, in one place so that every path says the same. Names come from clients: they are cut. */
import { HotpathError } from '../errors.ts';

/** A name as it may stand in a message. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 128 ? `${name.slice(0, 128)}…` : name);
}

export function modelNotFound(name: string): HotpathError {
  return new HotpathError('MODEL_NOT_FOUND', `There is no model ${quote(name)}.`, { field: 'model' });
}

export function shuttingDown(): HotpathError {
  return new HotpathError('SHUTTING_DOWN', 'The server is stopping and takes no new work.');
}

export function modelHeld(name: string, version: string): HotpathError {
  return new HotpathError(
    'MODEL_NOT_READY',
    `Model ${quote(name)} version ${quote(version)} was unloaded and waits for an explicit load.`,
  );
}

export function loadFailed(name: string, version: string, reason: string, cause?: unknown): HotpathError {
  // Upstream servers that are away say nothing of the model.
  const passing = cause instanceof HotpathError && cause.code === 'MODEL_NOT_READY';
  return new HotpathError(
    passing ? 'MODEL_NOT_READY' : 'MODEL_FAILED',
    `Model ${quote(name)} version ${quote(version)} could not be loaded: ${reason}`,
    { reason },
    { cause },
  );
}

/** The bare reason of a failed load, fit for a status line. Foreign errors say nothing of themselves. */
export function reasonOf(error: unknown): string {
  return error instanceof HotpathError ? error.message : 'An internal error; the log has it.';
}
