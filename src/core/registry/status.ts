/** Turns slots into what protocols show. Reads only; called by the registry's catalog methods. */
import type { ModelStatus } from './catalog.ts';
import type { ModelRunner } from './dependencies.ts';
import type { ModelRecord, VersionSlot } from './model-record.ts';
import { labelsOf, noVersion } from './version-policy.ts';

export function slotStatus<R extends ModelRunner>(record: ModelRecord<R>, slot: VersionSlot<R>): ModelStatus {
  const { configError } = record.entry;
  const { loaded } = slot;
  const failedByConfig = configError !== undefined && loaded === undefined;
  const reason = failedByConfig ? configError : reasonOfState(record, slot);
  return {
    name: record.name,
    version: slot.version,
    state: failedByConfig ? 'failed' : slot.state,
    ...(reason === undefined ? {} : { reason }),
    labels: labelsOf(record.entry, slot.version),
    ...(loaded === undefined ? {} : { digest: loaded.parts.digest, loaded: loaded.status() }),
  };
}

/**
 * All served versions, ascending, and after them those a failed reload would have added. A configured model without any has one
 * row that says why.
 */
export function recordStatus<R extends ModelRunner>(record: ModelRecord<R>): ModelStatus[] {
  if (isUnservable(record)) return [withoutVersion(record)];
  const statuses = record.served.files.map((file) => slotStatus(record, record.slots.get(file.version)!));
  for (const [version, reason] of record.rejected) {
    if (!record.slots.has(version)) statuses.push({ name: record.name, version, state: 'failed', reason, labels: [] });
  }
  return statuses;
}

/** Its configuration says that it is meant to be a model; any other folder without versions is none. */
function isUnservable<R extends ModelRunner>({ served, rejected, entry }: ModelRecord<R>): boolean {
  const meant = entry.configError !== undefined || entry.triton !== undefined;
  return meant && served.files.length === 0 && rejected.size === 0;
}

function withoutVersion<R extends ModelRunner>({ name, entry }: ModelRecord<R>): ModelStatus {
  return { name, version: '', state: 'failed', reason: entry.configError ?? noVersion(entry), labels: [] };
}

function reasonOfState<R extends ModelRunner>(record: ModelRecord<R>, slot: VersionSlot<R>): string | undefined {
  const rejected = record.rejected.get(slot.version);
  switch (slot.state) {
    case 'ready':
      return rejected === undefined ? undefined : `The last reload failed and this version keeps serving: ${rejected}`;
    case 'failed':
      return slot.failure?.reason;
    case 'unloaded':
      return slot.held ? 'Unloaded by an operator; waits for an explicit load.' : undefined;
    default:
      return undefined;
  }
}
