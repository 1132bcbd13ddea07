/**
 * CPU and heap profiles of the main thread, for the admin listener. One at a time, at most a minute, and the inspector session is
 * closed whatever happens. Both are samplings: a full heap snapshot would stop the server and can double its heap, so there is none.
 */
import { Session } from 'node:inspector/promises';
import { HotpathError, invalidInput } from '../core/errors.ts';
import type { Clock } from '../ports/clock.ts';

export const maxProfileSeconds = 60;

/** Microseconds between CPU samples: 1000 a second, a few percent of one core. */
const cpuIntervalUs = 1000;
/** Bytes between heap samples, V8's own default. */
const heapIntervalBytes = 32_768;

export interface Profiler {
  /**
   * What the main thread did, as the contents of a `.cpuprofile` (Chrome DevTools, speedscope).
   * @throws INVALID_INPUT when not 0 < seconds <= 60, OVERLOADED while another profile runs.
   */
  profileCpu(seconds: number): Promise<object>;
  /** Who allocated what is still alive at the end, as the contents of a `.heapprofile`. @throws as profileCpu. */
  profileHeap(seconds: number): Promise<object>;
}

export function createProfiler(clock: Clock): Profiler {
  let busyUntilMs: number | undefined;

  async function exclusively(seconds: number, take: (session: Session, wait: Promise<void>) => Promise<object>) {
    checkSeconds(seconds);
    if (busyUntilMs !== undefined) throw alreadyRunning(busyUntilMs - clock.now());
    busyUntilMs = clock.now() + seconds * 1000;
    const session = new Session();
    try {
      session.connect();
      return await take(session, new Promise((resolve) => clock.after(seconds * 1000, resolve)));
    } finally {
      // Also ends a profile that was started and not stopped.
      session.disconnect();
      busyUntilMs = undefined;
    }
  }

  return {
    profileCpu: (seconds) => exclusively(seconds, takeCpuProfile),
    profileHeap: (seconds) => exclusively(seconds, takeHeapProfile),
  };
}

async function takeCpuProfile(session: Session, wait: Promise<void>): Promise<object> {
  await session.post('Profiler.enable');
  await session.post('Profiler.setSamplingInterval', { interval: cpuIntervalUs });
  await session.post('Profiler.start');
  await wait;
  const { profile } = await session.post('Profiler.stop');
  return profile;
}

async function takeHeapProfile(session: Session, wait: Promise<void>): Promise<object> {
  await session.post('HeapProfiler.startSampling', { samplingInterval: heapIntervalBytes });
  await wait;
  const { profile } = await session.post('HeapProfiler.stopSampling');
  return profile;
}

function checkSeconds(seconds: number): void {
  if (seconds > 0 && seconds <= maxProfileSeconds) return;
  const expected = `a number over 0 and at most ${maxProfileSeconds}`;
  throw invalidInput('seconds', `seconds must be ${expected}.`, expected, String(seconds));
}

function alreadyRunning(leftMs: number): HotpathError {
  const retryAfterSeconds = Math.max(1, Math.ceil(leftMs / 1000));
  return new HotpathError('OVERLOADED', `A profile is being taken; try again in ${retryAfterSeconds} s.`, {
    retryAfterSeconds,
  });
}
