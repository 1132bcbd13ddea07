/**
 * The elements of constants as typed arrays and numbers, from raw data and from the typed fields of old files.
 * Called by constant.ts. Pure; gives views where alignment and type allow.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Datatype, TypedArray } from '../../core/tensor.ts';
import { datatypes, viewBytes } from '../../core/tensor.ts';
import type { ElementType } from '../../onnx-file/element-type.ts';
import { elementBits } from '../../onnx-file/element-type.ts';
import type { Field } from '../../onnx-file/fields.ts';
import { decodeVarints } from '../../onnx-file/fields.ts';
import { fields } from '../../onnx-file/schema.ts';
import type { SmallFloat } from '../../onnx-file/small-floats.ts';
import { bfloat16ToFloat, smallFloatTable } from '../../onnx-file/small-floats.ts';

export type ConstantData = TypedArray | string[];

const known: ReadonlySet<string> = new Set(datatypes);

/** Views need the array buffer's own type; models are never read into shared memory. */
function view(type: Exclude<Datatype, 'string'>, raw: Uint8Array): TypedArray {
  return viewBytes(type, raw.buffer as ArrayBuffer, raw.byteOffset, raw.byteLength);
}

export function toTyped(type: Exclude<ElementType, 'string'>, raw: Uint8Array, count: number): TypedArray {
  if (known.has(type)) return view(type as Exclude<Datatype, 'string'>, raw);
  const bits = elementBits[type];
  if (bits < 8) return unpack(raw, count, bits, type.startsWith('int'));
  if (type === 'complex64') return view('float32', raw);
  if (type === 'complex128') return view('float64', raw);
  return view(bits === 16 ? 'uint16' : 'uint8', raw);
}

/** Several elements per byte, the first in the low bits. */
function unpack(raw: Uint8Array, count: number, bits: number, signed: boolean): TypedArray {
  const values = signed ? new Int8Array(count) : new Uint8Array(count);
  const perByte = 8 / bits;
  for (let i = 0; i < count; i++) {
    const value = (raw[Math.floor(i / perByte)]! >> ((i % perByte) * bits)) & (2 ** bits - 1);
    values[i] = signed && value >= 2 ** (bits - 1) ? value - 2 ** bits : value;
  }
  return values;
}

export function toFloats(name: string, type: ElementType, raw: Uint8Array, count: number): Float32Array {
  const values = toTyped(type as Exclude<ElementType, 'string'>, raw, count);
  if (type === 'float32') return values as Float32Array;
  if (type.startsWith('complex') || type === 'float8e8m0') {
    throw invalidInput(name, `Tensor "${name}" is ${type}, which Hotpath does not compute with.`);
  }
  const floats = new Float32Array(count);
  // Plain loops: `Float32Array.from` with a function takes ten times as long, and weights are many.
  if (type === 'bfloat16') {
    for (let i = 0; i < count; i++) floats[i] = bfloat16ToFloat(Number(values[i]));
  } else if (type === 'float16' || type.startsWith('float8') || type === 'float4e2m1') {
    const table = smallFloatTable(type as SmallFloat);
    for (let i = 0; i < count; i++) floats[i] = table[Number(values[i])]!;
  } else {
    for (let i = 0; i < count; i++) floats[i] = Number(values[i]);
  }
  return floats;
}

export function toIntegers(name: string, type: ElementType, raw: Uint8Array, count: number): number[] {
  if (!/^(u?int|bool)/.test(type))
    throw invalidInput(name, `Tensor "${name}" is ${type}, where integers were expected.`);
  const integers = Array.from(toTyped(type as Exclude<ElementType, 'string'>, raw, count) as ArrayLike<number>, Number);
  if (integers.every(Number.isSafeInteger)) return integers;
  throw invalidInput(name, `Tensor "${name}" holds an integer beyond 2^53.`);
}

/** What old files keep in float_data, int32_data and so on, as raw data. */
export function typedStorageToRaw(
  name: string,
  type: Exclude<ElementType, 'string'>,
  stored: readonly Field[],
  count: number,
): Uint8Array {
  const key = fields.tensor;
  const wide = stored.filter(({ number }) => number === key.floatData || number === key.doubleData);
  if (wide.length > 0) return joined(name, type, wide, count);
  const integers = stored
    .filter(({ number }) => number === key.int32Data || number === key.int64Data || number === key.uint64Data)
    .flatMap((field) => decodeVarints(field.payload));
  const bits = elementBits[type];
  const needed = bits < 8 ? Math.ceil((count * bits) / 8) : count;
  if (integers.length !== needed) {
    throw invalidInput(name, `Tensor "${name}" has ${integers.length} elements where its dimensions say ${count}.`);
  }
  if (bits === 64)
    return new Uint8Array(BigInt64Array.from(integers, (value) => BigInt.asIntN(64, BigInt(value))).buffer);
  const narrow = integers.map(Number);
  if (bits === 32) return new Uint8Array((type === 'uint32' ? Uint32Array : Int32Array).from(narrow).buffer);
  if (bits === 16) return new Uint8Array(Uint16Array.from(narrow).buffer);
  return Uint8Array.from(narrow);
}

/** float_data and double_data are little-endian already, packed or one by one. */
function joined(name: string, type: ElementType, stored: readonly Field[], count: number): Uint8Array {
  const expected = (count * elementBits[type]) / 8;
  const length = stored.reduce((sum, { payload }) => sum + payload.length, 0);
  if (length !== expected) {
    throw invalidInput(name, `Tensor "${name}" does not fit its data.`, `${expected} bytes`, `${length} bytes`);
  }
  if (stored.length === 1) return stored[0]!.payload;
  const bytes = new Uint8Array(length);
  let offset = 0;
  for (const { payload } of stored) {
    bytes.set(payload, offset);
    offset += payload.length;
  }
  return bytes;
}
