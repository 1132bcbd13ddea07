/** What the tests of access share: a log that is kept, time that stands still, keys made of real randomness. */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { CallerLimits, Credentials } from '../../../ports/access.ts';
import type { StoredKey } from '../../../ports/key-store.ts';
import type { Logger } from '../../../ports/logger.ts';
import { SimulatedClock } from '../../simulated-clock.ts';
import { createKey, type KeyCrypto } from '../api-key.ts';
import { createAccessGuard, type GuardDeps } from '../guard.ts';
import { KeyRing } from '../key-ring.ts';

/** Noon of a day. */
export const noonMs = 20_000 * 86_400_000 + 43_200_000;

export const testCrypto: KeyCrypto = {
  randomBytes: (count) => randomBytes(count),
  sha256: (text) => hash('sha256', text, 'buffer'),
};

export const apiKey = (key: string): Credentials => ({ authorization: undefined, apiKey: key });
export const bearer = (token: string): Credentials => ({ authorization: `Bearer ${token}`, apiKey: undefined });

export function keptLog(): { logger: Logger; lines: object[] } {
  const lines: object[] = [];
  const keep = (fields: object, message: string) => void lines.push({ ...fields, message });
  return { lines, logger: { debug: keep, info: keep, warn: keep, error: keep } };
}

/** A guard over keys in an array, with a clock for both times. */
export async function openWorld(options: Partial<GuardDeps> & { readonly startUnixMs?: number } = {}) {
  const clock = new SimulatedClock();
  const startUnixMs = options.startUnixMs ?? noonMs;
  const unixMs = () => startUnixMs + clock.now();
  const { logger, lines } = keptLog();
  const stored: StoredKey[] = [];
  const compared: Uint8Array[] = [];
  const store = {
    isAway: false,
    changes: 0,
    async revision() {
      if (store.isAway) throw new Error('away');
      return `${store.changes}`;
    },
    async list() {
      if (store.isAway) throw new Error('away');
      return [...stored];
    },
  };
  const matchesDigest = (text: string, digest: Uint8Array) => {
    compared.push(digest);
    return timingSafeEqual(hash('sha256', text, 'buffer'), digest);
  };
  const ring = new KeyRing({ store, clock, unixMs, logger, matchesDigest });
  const guard = createAccessGuard({
    clock,
    unixMs,
    logger,
    keys: ring,
    tokens: undefined,
    defaults: {},
    shared: undefined,
    ...options,
  });
  return {
    clock,
    unixMs,
    lines,
    store,
    stored,
    compared,
    ring,
    guard,
    /** Stores a key; the ring learns of it by looking. */
    addKey(limits: CallerLimits = {}, input: Partial<Parameters<typeof createKey>[0]> = {}): string {
      const created = createKey({ name: 'test', role: 'predict', limits, ...input }, unixMs(), testCrypto);
      stored.push(created.stored);
      store.changes++;
      return created.key;
    },
    /** Lets time pass in steps, so that what waits for promises between timers goes on. */
    async pass(ms: number) {
      clock.advance(ms);
      await settle();
    },
  };
}

/** Everything that is ready runs. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}
