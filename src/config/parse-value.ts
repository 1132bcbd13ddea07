/**
 * One raw value of a file, variable or flag against its line in the table. Called by load.ts only.
 * Must never coerce silently: `"8000"` in a JSON file is no integer, `yes` is no boolean.
 */
import type { Setting } from './schema.ts';
import { formatBytes, formatDurationMs, maxDurationMs, parseBytes, parseDurationMs } from './units.ts';

export type SettingValue = string | number | boolean | readonly unknown[];

/** Either the value, or what was expected instead, as the end of the sentence "... must be". */
export type ParsedValue =
  | { readonly ok: true; readonly value: SettingValue }
  | { readonly ok: false; readonly expected: string };

const decimal = /^-?\d+(\.\d+)?$/;

function toNumber(setting: Setting<unknown>, raw: unknown, isText: boolean): number | undefined {
  if (typeof raw === 'number') return raw;
  if (typeof raw !== 'string') return undefined;
  if (setting.type === 'bytes') return parseBytes(raw);
  if (setting.type === 'durationMs') return parseDurationMs(raw);
  // Environment and flags know only text; a file has real numbers and must use them.
  return isText && decimal.test(raw.trim()) ? Number(raw) : undefined;
}

function formatBound(setting: Setting<unknown>, bound: number): string {
  if (setting.type === 'bytes') return formatBytes(bound);
  if (setting.type === 'durationMs') return formatDurationMs(bound);
  return String(bound);
}

/** What the table wants, as words: `an integer from 0 to 65535`. */
export function describeExpected(setting: Setting<unknown>): string {
  if (setting.type === 'boolean') return 'true or false';
  if (setting.type === 'enum') return `one of ${setting.values!.join(', ')}`;
  if (setting.type === 'string') return 'text';
  if (setting.type === 'list') return 'a JSON list of objects';
  const kind = {
    integer: 'an integer',
    number: 'a number',
    bytes: 'a number of bytes such as 1048576, "64MiB" or "1GB"',
    durationMs: 'a duration such as 500 (milliseconds), "500ms", "30s" or "2m"',
  }[setting.type];
  const { min, max } = setting;
  // "From 0 on" goes without saying for sizes and times.
  const unbounded = setting.type === 'bytes' || setting.type === 'durationMs';
  if (min !== undefined && max !== undefined && max < Number.MAX_SAFE_INTEGER) {
    return `${kind} from ${formatBound(setting, min)} to ${formatBound(setting, max)}`;
  }
  return min === undefined || (unbounded && min === 0) ? kind : `${kind} of at least ${formatBound(setting, min)}`;
}

function parseNumeric(setting: Setting<unknown>, raw: unknown, isText: boolean): ParsedValue {
  const expected = describeExpected(setting);
  const value = toNumber(setting, raw, isText);
  if (value === undefined || !Number.isFinite(value)) return { ok: false, expected };
  const whole = setting.type === 'integer' || setting.type === 'bytes';
  if (whole && !Number.isSafeInteger(value)) return { ok: false, expected };
  if (value < (setting.min ?? Number.NEGATIVE_INFINITY) || value > (setting.max ?? Number.POSITIVE_INFINITY)) {
    return { ok: false, expected };
  }
  if (setting.type === 'durationMs' && value > maxDurationMs) return { ok: false, expected: 'at most 24 days' };
  return { ok: true, value };
}

/** What the objects must hold is checked by those who read them. */
function parseList(raw: unknown, isText: boolean): ParsedValue | undefined {
  try {
    const value: unknown = isText && typeof raw === 'string' ? JSON.parse(raw) : raw;
    return Array.isArray(value) ? { ok: true, value } : undefined;
  } catch {
    return undefined;
  }
}

/**
 * @param isText true for environment and flags, where a number or boolean arrives as its text.
 */
export function parseValue(setting: Setting<unknown>, raw: unknown, isText: boolean): ParsedValue {
  const refused: ParsedValue = { ok: false, expected: describeExpected(setting) };
  switch (setting.type) {
    case 'string':
      return typeof raw === 'string' ? { ok: true, value: raw } : refused;
    case 'enum':
      return typeof raw === 'string' && setting.values!.includes(raw) ? { ok: true, value: raw } : refused;
    case 'boolean': {
      if (typeof raw === 'boolean') return { ok: true, value: raw };
      if (isText && (raw === 'true' || raw === '1')) return { ok: true, value: true };
      return isText && (raw === 'false' || raw === '0') ? { ok: true, value: false } : refused;
    }
    case 'list':
      return parseList(raw, isText) ?? refused;
    default:
      return parseNumeric(setting, raw, isText);
  }
}
