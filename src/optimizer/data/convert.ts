/**
 * Arrays of one datatype as another, for data whose files keep numbers otherwise than the model takes them. Called when rows are
 * bound to inputs. Never rounds a fraction into an integer, and never lets NaN or infinity pass.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Datatype, Tensor, TensorData } from '../../core/tensor.ts';
import { allocate } from '../../core/tensor.ts';
import { floatToHalf, smallFloatTable } from '../../onnx-file/small-floats.ts';

const ranges: Partial<Record<Datatype, readonly [number, number]>> = {
  int8: [-128, 127],
  int16: [-32768, 32767],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint8: [0, 255],
  uint16: [0, 65535],
  uint32: [0, 2 ** 32 - 1],
  bool: [0, 1],
};

/** Elements as JavaScript numbers. @throws INVALID_INPUT for strings */
export function toNumbers(name: string, { datatype, data }: Tensor): ArrayLike<number> {
  if (Array.isArray(data)) throw invalidInput(name, `"${name}" holds strings where numbers are expected.`);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return Float64Array.from(data, Number);
  if (datatype !== 'float16') return data;
  const table = smallFloatTable('float16');
  return Float32Array.from(data as Uint16Array, (pattern) => table[pattern]!);
}

/** @throws INVALID_INPUT naming the element that does not fit. */
export function convertTensor(name: string, tensor: Tensor, datatype: Datatype): Tensor {
  if (tensor.datatype === datatype) return tensor;
  if (datatype === 'string') throw invalidInput(name, `"${name}" must hold strings, and holds ${tensor.datatype}.`);
  const numbers = toNumbers(name, tensor);
  const { shape } = tensor;
  if (datatype === 'float32' || datatype === 'float64') {
    const data = datatype === 'float32' ? Float32Array.from(numbers) : Float64Array.from(numbers);
    return { datatype, shape, data };
  }
  if (datatype === 'float16') return { datatype, shape, data: Uint16Array.from(numbers, floatToHalf) };
  return { datatype, shape, data: wholeNumbers(name, numbers, datatype) };
}

function wholeNumbers(name: string, numbers: ArrayLike<number>, datatype: Exclude<Datatype, 'string'>): TensorData {
  const data = allocate(datatype, numbers.length);
  const [low, high] = ranges[datatype] ?? [
    datatype === 'uint64' ? 0 : Number.MIN_SAFE_INTEGER,
    Number.MAX_SAFE_INTEGER,
  ];
  for (let index = 0; index < numbers.length; index++) {
    const value = numbers[index]!;
    if (!Number.isInteger(value) || value < low || value > high) {
      throw invalidInput(name, `Element ${index} of "${name}" is ${value}; the model takes ${datatype}.`);
    }
    if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = BigInt(value);
    else (data as Int32Array)[index] = value;
  }
  return data;
}

/** @throws INVALID_INPUT naming the first NaN or infinity. */
export function refuseNonFinite(name: string, tensor: Tensor): void {
  if (!tensor.datatype.startsWith('float')) return;
  const numbers = toNumbers(name, tensor);
  const perRow = Math.max(1, numbers.length / (tensor.shape[0] ?? 1));
  for (let index = 0; index < numbers.length; index++) {
    if (Number.isFinite(numbers[index]!)) continue;
    const row = Math.floor(index / perRow);
    throw invalidInput(
      name,
      `"${name}" holds ${numbers[index]} in row ${row}. Calibration data must be finite numbers.`,
    );
  }
}
