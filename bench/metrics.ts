/** Reads single samples from a Prometheus text page. */
import type { Target } from '../src/loadtest/http-connection.ts';

/** The largest sample of all series whose name and labels match; NaN when there is none. */
export async function readMetric(target: Target, pattern: RegExp): Promise<number> {
  const response = await fetch(`http://${target.host}:${target.port}/metrics`);
  let largest = Number.NaN;
  for (const line of (await response.text()).split('\n')) {
    if (line.startsWith('#') || !pattern.test(line)) continue;
    const value = Number(line.slice(line.lastIndexOf(' ') + 1));
    if (!(value <= largest)) largest = value;
  }
  return largest;
}
