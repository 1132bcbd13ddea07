/**
 * Gives cached entries up before the process runs out of memory. Made by server-cache.ts; looks every five seconds. The limit is that
 * of the control group or the machine; processes that share it have a part each.
 */
import type { Clock, TimerHandle } from './ports/clock.ts';
import type { Logger } from './ports/logger.ts';

export interface MemoryWatchDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limitBytes: number;
  readonly rssBytes: () => number;
  /** Gives up part of what is cached, and says how many bytes that was. */
  readonly relieve: () => number;
}

const everyMs = 5000;
const pressureShare = 0.9;

/** Returns the stop function. */
export function watchMemory({ clock, logger, limitBytes, rssBytes, relieve }: MemoryWatchDeps): () => void {
  let timer: TimerHandle;
  /** Told once until there is room again: more lines would say nothing new. */
  let toldEmpty = false;
  const look = (): void => {
    const rss = rssBytes();
    if (rss > pressureShare * limitBytes) {
      const freedBytes = relieve();
      if (freedBytes > 0) logger.warn({ rss, limitBytes, freedBytes }, 'memory is short: cached entries were dropped');
      else if (!toldEmpty)
        logger.warn({ rss, limitBytes }, 'memory is short, and nothing is cached that could be dropped');
      toldEmpty = freedBytes === 0;
    } else {
      toldEmpty = false;
    }
    timer = clock.after(everyMs, look);
  };
  timer = clock.after(everyMs, look);
  return () => clock.clear(timer);
}
