/**
 * The map of InferParameter, in both directions. Used by infer-request.ts and infer-response.ts. 64-bit integers stay exact:
 * a number where it can hold them, a bigint beyond.
 */
import { invalidInput } from '../../core/errors.ts';
import type { OipParameters } from '../oip/request.ts';
import { type WireReader, wireTypes } from './wire-reader.ts';
import type { WireWriter } from './wire-writer.ts';

type Value = boolean | number | bigint | string;

const maxParameters = 256;

/** Reads one entry of the map into `target`, which is made when it is the first. A later entry of the same key wins. */
export function readParameter(
  reader: WireReader,
  target: Record<string, Value> | undefined,
  field: string,
): Record<string, Value> {
  const parameters = target ?? {};
  let key = '';
  let value: Value | undefined;
  const outer = reader.open(field);
  while (reader.pos < reader.end) {
    const number = reader.tag();
    if (number === 1) key = reader.text(`${field} key`);
    else if (number === 2) value = readValue(reader, `${field}.${key.slice(0, 100)}`);
    else reader.skip();
  }
  reader.close(outer);
  if (value === undefined) {
    const path = `${field}.${key.slice(0, 100)}`;
    const expected = 'a bool, int64, string, double or uint64';
    throw invalidInput(path, `${path}: has no value of a known type; expected ${expected}.`, expected);
  }
  if (Object.keys(parameters).length >= maxParameters && !Object.hasOwn(parameters, key)) {
    throw invalidInput(field, `${field}: expected at most ${maxParameters} entries.`, `at most ${maxParameters}`);
  }
  // A plain assignment to __proto__ would change the object instead of adding to it.
  if (key === '__proto__') {
    Object.defineProperty(parameters, key, { value, enumerable: true, writable: true, configurable: true });
  } else parameters[key] = value;
  return parameters;
}

/** The last choice present wins, as in every oneof. */
function readValue(reader: WireReader, field: string): Value | undefined {
  let value: Value | undefined;
  const outer = reader.open(field);
  while (reader.pos < reader.end) {
    const number = reader.tag();
    if (number === 1) value = readBool(reader, field);
    else if (number === 2) value = readInteger(reader, field, true);
    else if (number === 3) value = reader.text(field);
    else if (number === 4) value = readDouble(reader, field);
    else if (number === 5) value = readInteger(reader, field, false);
    else reader.skip();
  }
  reader.close(outer);
  return value;
}

function readBool(reader: WireReader, field: string): boolean {
  reader.expect(wireTypes.varint, field);
  reader.varint64(field);
  return reader.low !== 0 || reader.high !== 0;
}

function readInteger(reader: WireReader, field: string, signed: boolean): number | bigint {
  reader.expect(wireTypes.varint, field);
  reader.varint64(field);
  const high = signed ? reader.high | 0 : reader.high;
  const value = high * 0x1_0000_0000 + reader.low;
  return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(reader.low);
}

function readDouble(reader: WireReader, field: string): number {
  reader.expect(wireTypes.fixed64, field);
  const at = reader.pos;
  reader.skipBytes(8);
  return reader.buffer.readDoubleLE(at);
}

/** Writes the map as `field` of the message being written. Integers go as int64 (uint64 beyond its range), other numbers as double. */
export function writeParameters(writer: WireWriter, field: number, parameters: OipParameters): void {
  for (const [key, value] of Object.entries(parameters)) {
    const entry = writer.open(field);
    writer.text(1, key);
    const choice = writer.open(2);
    writeValue(writer, value);
    writer.close(choice);
    writer.close(entry);
  }
}

function writeValue(writer: WireWriter, value: Value): void {
  if (typeof value === 'boolean') writer.varint(1, value ? 1n : 0n);
  else if (typeof value === 'string') writer.presentText(3, value);
  else if (typeof value === 'number' && !Number.isSafeInteger(value)) writer.double(4, value);
  else if (typeof value === 'number' && Object.is(value, -0)) writer.double(4, value);
  else {
    const integer = BigInt(value);
    writer.varint(integer > 0x7fff_ffff_ffff_ffffn ? 5 : 2, BigInt.asUintN(64, integer));
  }
}
