/**
 * Tensor elements as JSON and back, without losing one bit: -0, and 64-bit integers with all their digits; NaN and infinities as
 * strings, as docs/guides/open-inference-protocol.md has it. Used for requests and answers of the Open Inference Protocol.
 */
import type { Datatype } from '../core/tensor.ts';
import { wrongAnswer, wrongCall } from './client-error.ts';
import { type AnyData, arrayFor, checkCount, type NumericData } from './tensors.ts';

/** Servers read long bodies by a parser that rounds numbers beyond 2^53; such bodies must say them as text. */
const maxPlainIntegers = 4096;

/** `[1,2,3]`, flat. @throws INVALID_INPUT for float16, which has no JSON form. */
export function writeData(name: string, datatype: Datatype, data: AnyData): string {
  if (datatype === 'float16') {
    throw wrongCall(`inputs.${name}`, 'FP16 has no JSON form; let the client send binary tensors');
  }
  if (Array.isArray(data)) return JSON.stringify(data);
  if (datatype === 'bool') return `[${Array.from(data as Uint8Array, Boolean).join(',')}]`;
  if (datatype === 'int64' || datatype === 'uint64') return writeWide(data as BigInt64Array);
  if (datatype === 'float32' || datatype === 'float64') return writeFloats(data as Float64Array);
  return `[${(data as Uint8Array).join(',')}]`;
}

function writeFloats(data: Float32Array | Float64Array): string {
  let text = '';
  for (let index = 0; index < data.length; index++) {
    const value = data[index]!;
    if (index > 0) text += ',';
    if (value - value !== 0) text += `"${value}"`;
    else text += value === 0 && Object.is(value, -0) ? '-0' : String(value);
  }
  return `[${text}]`;
}

function writeWide(data: BigInt64Array | BigUint64Array): string {
  if (data.length <= maxPlainIntegers) return `[${data.join(',')}]`;
  const safe = BigInt(Number.MAX_SAFE_INTEGER);
  return `[${Array.from(data, (value) => (value > safe || value < -safe ? `"${value}"` : value)).join(',')}]`;
}

/** Elements from parsed JSON, flat or nested. Integers beyond 2^53 arrive as text. @throws INVALID_RESPONSE. */
export function readData(
  name: string,
  datatype: Datatype,
  shape: readonly number[],
  data: unknown,
): NumericData | string[] {
  const list = (Array.isArray(data) ? data : [data]).flat(Number.POSITIVE_INFINITY) as unknown[];
  checkCount(name, shape, list.length);
  if (datatype === 'string') return list.map((value) => String(value));
  if (datatype === 'float16') throw wrongAnswer(`The output ${name} is FP16, which has no JSON form.`);
  const array = arrayFor(datatype, shape);
  try {
    if (array instanceof BigInt64Array || array instanceof BigUint64Array) {
      for (let index = 0; index < list.length; index++) array[index] = BigInt(list[index] as number);
    } else for (let index = 0; index < list.length; index++) array[index] = Number(list[index] ?? Number.NaN);
  } catch {
    throw wrongAnswer(`The output ${name} holds an element that is no integer.`);
  }
  return array;
}

interface ReviverContext {
  readonly source?: string;
}

/** Integers that are too long for a number, anywhere in the text. */
const longInteger = /[[,:\s]-?\d{16,}/;

/**
 * JSON with integers beyond 2^53 as their digits in a string. Needs a runtime that shows revivers the source text (Node 22,
 * Chrome 114, Firefox 135, Safari 18.4); @throws INVALID_RESPONSE where there is none, as rounded integers would be wrong answers.
 */
export function parseExactly(text: string): unknown {
  if (!longInteger.test(text)) return JSON.parse(text);
  const revive = (_key: string, value: unknown, context?: ReviverContext) => {
    if (typeof value !== 'number' || Number.isSafeInteger(value) || !Number.isInteger(value)) return value;
    if (context?.source === undefined) {
      throw wrongAnswer('This runtime rounds 64-bit integers in JSON; ask for binary tensors (binary: "always").');
    }
    return /^-?\d+$/.test(context.source) ? context.source : value;
  };
  return JSON.parse(text, revive as (key: string, value: unknown) => unknown);
}
