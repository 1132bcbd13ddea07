/**
 * From what a source answered to the features that a model takes: only names of its inputs, only values that JSON has, and text
 * turned into numbers where the source knows nothing else. Whether values fit the signature is checked when they are joined.
 */
import type { FeatureRow, FeatureValue } from '../../ports/feature-source.ts';
import type { TensorSpec } from '../tensor.ts';

/** Deeper lists fit no tensor. */
const maxDepth = 32;

/** The values of the model's inputs; objects and times are none. `text`: numbers, booleans and lists may be written as text. */
export function pickFeatures(row: FeatureRow, inputs: readonly TensorSpec[], text: boolean): FeatureRow {
  const picked: Record<string, FeatureValue> = Object.create(null);
  for (const spec of inputs) {
    if (!Object.hasOwn(row, spec.name)) continue;
    const value: unknown = row[spec.name];
    if (!isFeatureValue(value, 0)) continue;
    picked[spec.name] = text && typeof value === 'string' ? fromText(value, spec) : value;
  }
  return picked;
}

/** An object, whose values `pickFeatures` looks at; undefined for anything else. */
export function asFeatureRow(value: unknown): FeatureRow | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as FeatureRow) : undefined;
}

function isFeatureValue(value: unknown, depth: number): value is FeatureValue {
  if (Array.isArray(value)) {
    if (depth === maxDepth) return false;
    for (const inner of value) if (!isFeatureValue(inner, depth + 1)) return false;
    return true;
  }
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

/** Text that is not what the input takes stays text, so that the error shows it. */
function fromText(text: string, { datatype, shape }: TensorSpec): FeatureValue {
  if (text.startsWith('[') && (datatype !== 'string' || shape.length > 1)) return parsedList(text) ?? text;
  if (datatype === 'string') return text;
  if (datatype === 'bool') return booleans[text.toLowerCase()] ?? text;
  // 64-bit integers are read from text digit by digit; as numbers they would lose some.
  if (datatype === 'int64' || datatype === 'uint64') return text.trim();
  return numberText.test(text) ? Number(text) : text;
}

const booleans: Readonly<Record<string, boolean | undefined>> = Object.assign(Object.create(null), {
  true: true,
  t: true,
  '1': true,
  false: false,
  f: false,
  '0': false,
});
const numberText = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i;

function parsedList(text: string): FeatureValue | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isFeatureValue(value, 0) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** About what a row occupies in memory. */
export function featureBytes(value: FeatureValue | FeatureRow | undefined): number {
  if (typeof value === 'string') return 24 + 2 * value.length;
  if (Array.isArray(value)) return value.reduce((sum, inner) => sum + featureBytes(inner), 32);
  if (typeof value !== 'object' || value === null) return 8;
  let bytes = 64;
  for (const name in value) bytes += 16 + featureBytes((value as FeatureRow)[name]);
  return bytes;
}
