/**
 * One computation per key across servers: who gets the lease computes, the others look for the answer in the store, with growing
 * pauses, until it is there, the lease has run out, or their own deadline comes. Used by lead.ts when `shareFlights` is on.
 * It only ever saves work: whatever fails here, the row is computed.
 */
import type { Clock } from '../../ports/clock.ts';
import { leasing } from './cache-settings.ts';
import type { Flight } from './flight.ts';
import type { GuardedStore } from './guarded-store.ts';
import type { FarRow, ModelCache } from './model-cache.ts';

export interface LeaseWait {
  readonly cache: ModelCache;
  readonly store: GuardedStore;
  readonly flight: Flight;
  readonly farKeys: readonly string[];
  readonly deadlineMs: number;
}

/** Never rejects. */
export async function splitByLease(
  { cache, store, farKeys, deadlineMs }: LeaseWait,
  positions: readonly number[],
): Promise<{ mine: number[]; others: number[] }> {
  const { clock, telemetry } = cache.options;
  const ttlMs = leaseMs(deadlineMs - clock.now());
  const won = await Promise.all(positions.map((position) => store.acquire(farKeys[position]!, ttlMs, telemetry)));
  return {
    mine: positions.filter((_, index) => won[index]),
    others: positions.filter((_, index) => !won[index]),
  };
}

/** Fills `found`; returns the positions to be computed after all. Never rejects. */
export async function waitForOthers(
  { cache, store, flight, farKeys, deadlineMs }: LeaseWait,
  positions: readonly number[],
  found: (FarRow | undefined)[],
): Promise<readonly number[]> {
  const { clock } = cache.options;
  const untilMs = Math.min(deadlineMs, clock.now() + leaseMs(deadlineMs - clock.now()));
  let missing = positions;
  for (
    let pauseMs: number = leasing.firstPauseMs;
    missing.length > 0;
    pauseMs = Math.min(2 * pauseMs, leasing.lastPauseMs)
  ) {
    if (clock.now() + pauseMs >= untilMs || store.breaker !== 'closed') break;
    await pause(clock, pauseMs);
    if (flight.token.cancelled) break;
    await cache.readTier(store, flight.keys, farKeys, missing, found, flight.generation);
    missing = missing.filter((position) => found[position] === undefined);
  }
  return missing;
}

function leaseMs(remainingMs: number): number {
  return Math.round(Math.min(leasing.maxMs, Math.max(leasing.minMs, 2 * remainingMs)));
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve));
}
