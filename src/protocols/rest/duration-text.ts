/** Durations as short text, without number formatting: five of them go out with every answer. */

const threeDigits = Array.from({ length: 1000 }, (_, value) => String(value).padStart(3, '0'));

/** Texts of 0 to 9.999 ms, filled as they are needed: nearly all durations of a busy server. */
const common: string[] = new Array(10_000);

/** Milliseconds with three decimals, e.g. `0.123`; negative and NaN become `0.000`. */
export function millisText(ms: number): string {
  const micros = ms > 0 ? Math.round(ms * 1000) : 0;
  if (micros >= 10_000) return format(micros);
  const known = common[micros];
  if (known !== undefined) return known;
  const text = format(micros);
  common[micros] = text;
  return text;
}

function format(micros: number): string {
  return `${Math.floor(micros / 1000)}.${threeDigits[micros % 1000]}`;
}

/** Seconds with six decimals from milliseconds, e.g. `0.000123`. */
export function secondsText(ms: number): string {
  const micros = ms > 0 ? Math.round(ms * 1000) : 0;
  const millis = Math.floor(micros / 1000);
  return `${Math.floor(millis / 1000)}.${threeDigits[millis % 1000]}${threeDigits[micros % 1000]}`;
}
