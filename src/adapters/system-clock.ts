/** The real clock. Timers do not keep the process alive: whoever must be waited for is closed explicitly. */
import type { Clock } from '../ports/clock.ts';

export const systemClock: Clock = {
  now: () => performance.now(),
  after: (delayMs, run) => setTimeout(run, Math.max(0, delayMs)).unref(),
  clear: (timer) => clearTimeout(timer as NodeJS.Timeout),
  defer: (run) => void setImmediate(run),
};
