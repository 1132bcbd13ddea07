/** One value of the text format as a number, text, truth value or enum name. Called by decode-message.ts; it never throws. */
import type { EnumType, Leaf } from './schema-types.ts';
import { specialFloat, type TextValue } from './text-format.ts';

/** `expected` continues "must be". */
export type LeafResult = { readonly value: unknown } | { readonly expected: string };

/**
 * Dimensions and versions are exact. Times and levels may use all 64 bits, because their largest value means "no limit": beyond
 * 2^53 they become the nearest number.
 */
const exact = BigInt(Number.MAX_SAFE_INTEGER);

const integers = {
  int32: { min: -(2n ** 31n), max: 2n ** 31n - 1n, expected: 'a whole number within 32 bits' },
  int64: { min: -exact, max: exact, expected: 'a whole number within 2^53' },
  uint32: { min: 0n, max: 2n ** 32n - 1n, expected: 'a whole number from 0, within 32 bits' },
  uint64: { min: 0n, max: 2n ** 64n - 1n, expected: 'a whole number from 0, within 64 bits' },
} as const;

export function decodeLeaf(value: TextValue, type: Leaf | EnumType): LeafResult {
  if (typeof type === 'object') return decodeEnum(value, type);
  switch (type) {
    case 'string':
      return value.kind === 'string' ? value : { expected: 'a string in quotes' };
    case 'bool':
      return decodeBool(value);
    case 'float':
    case 'double':
      return decodeFloat(value);
    default: {
      const { min, max, expected } = integers[type];
      if (value.kind === 'integer' && value.value >= min && value.value <= max) return { value: Number(value.value) };
      return { expected };
    }
  }
}

function decodeBool(value: TextValue): LeafResult {
  const written = value.kind === 'name' || value.kind === 'integer' ? String(value.value) : '';
  if (['true', 'True', 't', '1'].includes(written)) return { value: true };
  if (['false', 'False', 'f', '0'].includes(written)) return { value: false };
  return { expected: 'true or false' };
}

function decodeFloat(value: TextValue): LeafResult {
  if (value.kind === 'integer' || value.kind === 'float') return { value: Number(value.value) };
  const special = value.kind === 'name' ? specialFloat(value.value) : undefined;
  return special === undefined ? { expected: 'a number' } : { value: special };
}

/** By name or by number. */
function decodeEnum(value: TextValue, { names }: EnumType): LeafResult {
  const name = value.kind === 'integer' ? names[Number(value.value)] : value.kind === 'name' ? value.value : undefined;
  if (name !== undefined && names.includes(name)) return { value: name };
  return { expected: names.length === 1 ? names[0]! : `one of ${names.join(', ')}` };
}
