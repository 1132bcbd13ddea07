/**
 * Names to addresses, remembered for a while, every one of them checked before a connection is made to exactly it: a name that led to an
 * allowed address when it was looked at cannot lead elsewhere when it is used. Given to undici as `connect.lookup`.
 */
import type { LookupAddress } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import type { LookupFunction } from 'node:net';
import { SourceFailure } from '../../core/features/source-failure.ts';
import type { Clock } from '../../ports/clock.ts';

/** How long addresses are used without asking again, milliseconds. */
const rememberMs = 30_000;

/** All addresses of a name. */
export type ResolveName = (name: string) => Promise<readonly LookupAddress[]>;

const resolveBySystem: ResolveName = (name) => systemLookup(name, { all: true });

export interface CheckedLookupOptions {
  readonly clock: Clock;
  /** @throws for an address that may not be connected to. */
  readonly check: (address: string) => void;
  /** @default the system's */
  readonly resolve?: ResolveName | undefined;
}

/** One per origin: its pool asks for one name only. A refused or failed answer is not remembered. */
export function checkedLookup({ clock, check, resolve = resolveBySystem }: CheckedLookupOptions): LookupFunction {
  let known: readonly LookupAddress[] | undefined;
  let untilMs = 0;
  let asking: Promise<readonly LookupAddress[]> | undefined;

  const ask = async (name: string): Promise<readonly LookupAddress[]> => {
    try {
      const found = await resolve(name);
      if (found.length === 0) throw new SourceFailure(`The name ${name} has no address.`, true);
      // One forbidden address among good ones is an attack or a mistake: neither is to be connected to.
      for (const { address } of found) check(address);
      known = found;
      untilMs = clock.now() + rememberMs;
      return found;
    } finally {
      asking = undefined;
    }
  };

  return (name, options, callback) => {
    const answer = (found: readonly LookupAddress[]): void => {
      const wanted = found.filter(({ family }) => !options.family || family === options.family);
      const first = wanted[0] ?? found[0]!;
      if (options.all) callback(null, wanted.length > 0 ? wanted : [first]);
      else callback(null, first.address, first.family);
    };
    if (known !== undefined && clock.now() < untilMs) {
      const found = known;
      process.nextTick(() => answer(found));
      return;
    }
    asking ??= ask(name);
    asking.then(answer, (error: Error) => callback(error as NodeJS.ErrnoException, '', 4));
  };
}
