/**
 * Numbers with units: bytes (`64MiB`, `1GB`, `512k`) and durations (`500ms`, `30s`, `2m`), both ways.
 * Called by parse-value.ts, reference.ts and `hotpath config`. Must never guess: what is not clearly a number is undefined.
 */

const byteFactors: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  // A bare letter is binary, as in nginx and the JVM.
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40,
};

const durationFactors: Readonly<Record<string, number>> = { '': 1, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Timers of Node hold 31 bits; a longer one would fire at once. */
export const maxDurationMs = 2 ** 31 - 1;

function scale(text: string, factors: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  if (match === null) return undefined;
  const unit = match[2]!.toLowerCase();
  return Object.hasOwn(factors, unit) ? Number(match[1]) * factors[unit]! : undefined;
}

/** Bytes, rounded to whole ones; undefined when the text is no byte count or beyond 2^53. */
export function parseBytes(text: string): number | undefined {
  const value = scale(text, byteFactors);
  if (value === undefined) return undefined;
  const rounded = Math.round(value);
  return Number.isSafeInteger(rounded) ? rounded : undefined;
}

/** Milliseconds, fractions allowed; undefined when the text is no duration. */
export function parseDurationMs(text: string): number | undefined {
  return scale(text, durationFactors);
}

/** `67108864` -> `64MiB`; the shortest exact form. */
export function formatBytes(value: number): string {
  for (const [unit, factor] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
    ['KiB', 2 ** 10],
  ] as const) {
    if (value >= factor && value % factor === 0) return `${value / factor}${unit}`;
  }
  return String(value);
}

/** `30000` -> `30s`; the shortest exact form. */
export function formatDurationMs(value: number): string {
  if (value >= 60_000 && value % 60_000 === 0) return `${value / 60_000}m`;
  if (value >= 1000 && value % 1000 === 0) return `${value / 1000}s`;
  return value === 0 ? '0' : `${value}ms`;
}
