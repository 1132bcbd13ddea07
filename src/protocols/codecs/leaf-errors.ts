/** The sentences about one wrong value, built only once something is wrong. */
import { type HotpathError, invalidInput } from '../../core/errors.ts';
import type { Datatype } from '../../core/tensor.ts';
import { describeValue } from './value-text.ts';

const expectations = {
  float32: 'a number',
  float64: 'a number',
  float16: 'a number',
  int8: 'an integer from -128 to 127',
  int16: 'an integer from -32768 to 32767',
  int32: 'an integer from -2147483648 to 2147483647',
  int64: 'a 64-bit integer',
  uint8: 'an integer from 0 to 255',
  uint16: 'an integer from 0 to 65535',
  uint32: 'an integer from 0 to 4294967295',
  uint64: 'an unsigned 64-bit integer',
  bool: 'true or false',
  string: 'a string',
} as const satisfies Record<Datatype, string>;

/** What a list of this datatype holds, for counts: "4 numbers". */
export function pluralOf(datatype: Datatype): string {
  if (datatype === 'string') return 'strings';
  return datatype === 'bool' ? 'booleans' : 'numbers';
}

/** `features[3]: expected a number, got string "abc"`. */
export function wrongLeaf(field: string, datatype: Datatype, value: unknown): HotpathError {
  const expected = expectations[datatype];
  const received = describeValue(value);
  return invalidInput(
    field,
    `${field}: expected ${expected}, got ${received}${hint(datatype, value)}`,
    expected,
    received,
  );
}

function hint(datatype: Datatype, value: unknown): string {
  if (isFloat(datatype)) {
    if (value === null || (typeof value === 'number' && !Number.isFinite(value)) || isNonFiniteName(value)) {
      return '; this model takes no NaN or infinity';
    }
    if (typeof value === 'number') return `; that is out of range for ${datatype}`;
  }
  const wide = datatype === 'int64' || datatype === 'uint64';
  if (wide && typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    return '; send integers beyond 2^53 - 1 as decimal strings, JSON numbers lose digits there';
  }
  return '';
}

function isFloat(datatype: Datatype): boolean {
  return datatype === 'float32' || datatype === 'float64' || datatype === 'float16';
}

function isNonFiniteName(value: unknown): boolean {
  return value === 'NaN' || value === 'Infinity' || value === '-Infinity';
}
