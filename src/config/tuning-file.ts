/**
 * The JSON of `tuning.json`: read for one machine, and one entry of it set or removed. Called by the model source through the composition
 * root, and by `hotpath tune`. It checks data and never reads files. What is wrong is a sentence: no model fails because of this file.
 */
import type { ModelTuning, TunedMachine, TuningEntry, TuningKey } from '../ports/tuning.ts';
import { integer, invalid, isObject, type Kind, number, oneOf, text } from './model-config-fields.ts';

export const tuningFileName = 'tuning.json';
const formatVersion = 1;

type Kinds<T> = { readonly [Name in keyof T]: Kind<T[Name]> };

const keyKinds: Kinds<TuningKey> = {
  modelDigest: text,
  cpu: text,
  cores: integer(1, 65_536),
  runtime: text,
};

const entryKinds: Kinds<Omit<TuningEntry, 'settings'>> = {
  ...keyKinds,
  sloMs: number(0, Number.MAX_VALUE),
  tunedAt: { type: 'time', check: (value) => (isTime(value) ? value : invalid) },
};

const settingKinds: Kinds<TuningEntry['settings']> = {
  instances: integer(1, 256),
  intraOpThreads: integer(1, 256),
  maxBatchSize: integer(1, 65_536),
  graphOptimizationLevel: oneOf(['disabled', 'basic', 'extended', 'layout', 'all']),
  executionProvider: oneOf(['cpu', 'webgpu', 'cuda', 'tensorrt']),
};

/** Fields of no meaning here are passed over: a later version may write more. */
export function readTuning(written: string, machine: TunedMachine): ModelTuning {
  const list = rawEntries(written);
  if (typeof list === 'string') return unusable(list);
  const entries: TuningEntry[] = [];
  for (const [index, raw] of list.entries()) {
    const entry = checkEntry(raw, `entries[${index}]`);
    if (typeof entry === 'string') return unusable(entry);
    entries.push(entry);
  }
  const own = entries.filter((entry) => isOf(entry, machine));
  return { entries: own, others: own.length < entries.length };
}

/** @param reason continues a sentence that begins with the file's name */
export function unusable(reason: string): ModelTuning {
  return { entries: [], others: false, problem: `${tuningFileName} is not used: it ${reason}.` };
}

/**
 * The file with this entry in the place of the one with its key, everything else as it was; without an entry, the one of `key` is gone.
 * @param written the file as it is, undefined when there is none
 * @returns undefined when what is there is no such file, and must be put aside first
 */
export function replaceEntry<E extends TuningEntry>(
  written: string | undefined,
  key: TuningKey,
  entry: E | undefined,
): string | undefined {
  const list = written === undefined ? [] : rawEntries(written);
  if (typeof list === 'string') return undefined;
  const kept = list.filter((raw) => !(isObject(raw) && raw.modelDigest === key.modelDigest && isOf(raw, key)));
  const entries = entry === undefined ? kept : [...kept, entry];
  return `${JSON.stringify({ version: formatVersion, entries }, undefined, 2)}\n`;
}

/** Whether there is an entry with this key. */
export function hasEntry(written: string, { modelDigest, ...machine }: TuningKey): boolean {
  return readTuning(written, machine).entries.some((entry) => entry.modelDigest === modelDigest);
}

/** A string continues a sentence that begins with the file's name. */
function rawEntries(written: string): readonly unknown[] | string {
  let json: unknown;
  try {
    json = JSON.parse(written);
  } catch {
    return 'is not valid JSON';
  }
  if (!isObject(json) || !Array.isArray(json.entries)) return 'has no list "entries"';
  if (json.version !== formatVersion) return `has the format version ${show(json.version)}, not ${formatVersion}`;
  return json.entries;
}

function checkEntry(raw: unknown, path: string): TuningEntry | string {
  const entry = checkFields(entryKinds, raw, path);
  if (typeof entry === 'string') return entry;
  const settings = checkFields(settingKinds, (raw as Record<string, unknown>).settings, `${path}.settings`);
  return typeof settings === 'string' ? settings : { ...entry, settings };
}

function checkFields<T>(kinds: Kinds<T>, raw: unknown, path: string): T | string {
  if (!isObject(raw)) return `needs an object at ${path}, not ${show(raw)}`;
  const checked: Record<string, unknown> = {};
  for (const [name, kind] of Object.entries<Kind<unknown>>(kinds)) {
    const value = Object.hasOwn(raw, name) ? kind.check(raw[name]) : invalid;
    if (value === invalid) return `needs "${name}" (${kind.type}) at ${path}, not ${show(raw[name])}`;
    checked[name] = value;
  }
  return checked as T;
}

function isOf(entry: Readonly<Record<string, unknown>> | TunedMachine, machine: TunedMachine): boolean {
  return entry.cpu === machine.cpu && entry.cores === machine.cores && entry.runtime === machine.runtime;
}

function isTime(value: unknown): value is string {
  return typeof value === 'string' && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) && !Number.isNaN(Date.parse(value));
}

function show(value: unknown): string {
  const written = value === undefined ? 'nothing' : JSON.stringify(value);
  return written.length > 40 ? `${written.slice(0, 40)}…` : written;
}
