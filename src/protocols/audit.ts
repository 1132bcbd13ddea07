/**
 * Writes down who changed what, over whichever protocol. Used by the admin listener and by the control calls of the Open Inference
 * Protocol. Must never fail or delay the operation itself: a log that is away is a warning in the server's own log.
 */
import { toHotpathError } from '../core/errors.ts';
import type { Caller } from '../ports/access.ts';
import type { AuditLog } from '../ports/key-store.ts';
import type { Logger } from '../ports/logger.ts';

export interface AuditDeps {
  readonly audit?: Pick<AuditLog, 'append'> | undefined;
  readonly logger: Logger;
}

/** Does it and writes down how it ended. `target` may have to be read from what was done. @throws what `act` throws. */
export async function audited<T>(
  deps: AuditDeps,
  caller: Caller | undefined,
  action: string,
  target: string | ((done: T) => string),
  act: () => Promise<T>,
): Promise<T> {
  try {
    const done = await act();
    write(deps, caller, action, typeof target === 'string' ? target : target(done), 'OK');
    return done;
  } catch (error) {
    write(deps, caller, action, typeof target === 'string' ? target : '', toHotpathError(error).code);
    throw error;
  }
}

function write(
  { audit, logger }: AuditDeps,
  caller: Caller | undefined,
  action: string,
  target: string,
  outcome: string,
) {
  if (audit === undefined) return;
  const entry = {
    createdMs: Date.now(),
    caller: caller?.id ?? 'anonymous',
    action,
    target: target.slice(0, 300),
    outcome,
  };
  const away = (err: unknown) => logger.warn({ err, ...entry }, 'audit log is away; the entry stands here only');
  try {
    audit.append(entry).catch(away);
  } catch (error) {
    away(error);
  }
}
