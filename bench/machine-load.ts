/** How busy the machine is with other people's work. A round that shared its cores with a compiler measured the compiler. */
import { readFileSync } from 'node:fs';

const QUIET_SHARE = 0.15;
const SAMPLE_MS = 150;
const PATIENCE_MS = 20_000;
/** Share of one core that others may take from a measurement before it is repeated. */
const DISTURBED_SHARE = 0.3;
const ATTEMPTS = 3;

/** CPU seconds all cores have been busy since boot, stolen time included; NaN where there is no /proc. */
export function machineBusySeconds(): number {
  try {
    const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1')
      .slice(5, 200)
      .trim()
      .split(/\s+/)
      .map(Number) as [number, number, number, number, number, number, number, number];
    return (user + nice + system + irq + softirq + steal) / 100;
  } catch {
    return Number.NaN;
  }
}

/** Waits, at most 20 s, for a moment in which nobody else uses more than 15 % of a core. */
async function waitForQuiet(): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (performance.now() < deadline) {
    const before = machineBusySeconds();
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    const share = ((machineBusySeconds() - before) * 1000) / (performance.now() - start);
    if (!(share > QUIET_SHARE)) return;
  }
}

/**
 * Measures in a quiet moment, and again, at most three times in all, when others used the machine meanwhile. Returns the
 * least disturbed measurement; it carries its share, so that the report can tell.
 */
export async function measureUndisturbed<T extends { readonly foreignCpuShare: number }>(
  measure: () => Promise<T>,
): Promise<T> {
  let best: T | undefined;
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    await waitForQuiet();
    const result = await measure();
    if (!(result.foreignCpuShare > DISTURBED_SHARE)) return result;
    if (best === undefined || result.foreignCpuShare < best.foreignCpuShare) best = result;
  }
  return best!;
}
