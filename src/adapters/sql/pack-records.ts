/**
 * Prediction records as one buffer in the binary format of PostgreSQL's COPY, and back. PostgreSQL takes it as it is; to the thread of
 * SQLite it is transferred, which costs the event loop less than cloning objects. Nothing is escaped, so nothing can be injected.
 * https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format".
 */
import { invalidInput } from '../../core/errors.ts';
import type { PredictionRecord } from '../../ports/prediction-store.ts';
import { predictionColumns } from './tables.ts';

const header = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
/** Entries of an index must stay below 2704 bytes in PostgreSQL: four texts of 3 bytes per character fit. */
const longestText = 200;
/** Of one record without its texts and tensors, rounded up. */
const fixedBytes = 128;

class CopyWriter {
  #buffer: Buffer<ArrayBuffer>;
  #end = 0;

  constructor(sizeBytes: number) {
    this.#buffer = Buffer.allocUnsafeSlow(sizeBytes);
  }

  reserve(sizeBytes: number): void {
    if (this.#end + sizeBytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#buffer.length * 2, this.#end + sizeBytes));
    larger.set(this.#buffer.subarray(0, this.#end));
    this.#buffer = larger;
  }

  raw(bytes: Uint8Array): void {
    this.#buffer.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  int16(value: number): void {
    this.#end = this.#buffer.writeInt16BE(value, this.#end);
  }

  uuid(id: string): void {
    this.#end = this.#buffer.writeInt32BE(16, this.#end);
    if (id.length !== 36 || this.#buffer.write(id.replaceAll('-', ''), this.#end, 16, 'hex') !== 16) {
      throw invalidInput('id', 'The id of a prediction must be a UUID.', 'a UUID');
    }
    this.#end += 16;
  }

  text(text: string): void {
    // PostgreSQL has no NUL in texts.
    const safe = (text.length > longestText ? text.slice(0, longestText) : text).replaceAll('\0', '');
    const written = this.#buffer.write(safe, this.#end + 4, 'utf8');
    this.#buffer.writeInt32BE(written, this.#end);
    this.#end += 4 + written;
  }

  int32(value: number): void {
    this.#end = this.#buffer.writeInt32BE(4, this.#end);
    this.#end = this.#buffer.writeInt32BE(value, this.#end);
  }

  double(value: number): void {
    this.#end = this.#buffer.writeInt32BE(8, this.#end);
    this.#end = this.#buffer.writeDoubleBE(value, this.#end);
  }

  bytes(value: Uint8Array | undefined): void {
    this.#end = this.#buffer.writeInt32BE(value === undefined ? -1 : value.length, this.#end);
    if (value !== undefined) this.raw(value);
  }

  finish(): Buffer<ArrayBuffer> {
    return this.#buffer.subarray(0, this.#end);
  }
}

/** @throws INVALID_INPUT when an id is no UUID. */
export function packRecords(records: readonly PredictionRecord[]): Buffer<ArrayBuffer> {
  const writer = new CopyWriter(8192 + records.length * 512);
  writer.raw(header);
  for (const record of records) {
    const { inputKey, inputs, outputs } = record;
    const tensorBytes = inputKey.length + (inputs?.length ?? 0) + (outputs?.length ?? 0);
    writer.reserve(fixedBytes + 5 * 3 * longestText + tensorBytes);
    writer.int16(predictionColumns.length);
    writer.uuid(record.id);
    writer.text(record.model);
    writer.text(record.version);
    writer.text(record.status);
    writer.text(record.caller);
    writer.int32(record.rows);
    writer.double(record.durationMs);
    writer.text(record.cache);
    writer.bytes(inputKey.length === 0 ? undefined : inputKey);
    writer.bytes(inputs);
    writer.bytes(outputs);
  }
  writer.reserve(2);
  writer.int16(-1);
  return writer.finish();
}

export type PackedValue = string | number | Uint8Array | null;
type FieldKind = 'text' | 'int' | 'double' | 'bytes';

const fieldKinds: readonly FieldKind[] = predictionColumns.map((column) => {
  if (column === 'row_count') return 'int';
  if (column === 'duration_ms') return 'double';
  return column === 'id' || column.startsWith('input') || column === 'outputs' ? 'bytes' : 'text';
});

function readField(buffer: Buffer, kind: FieldKind, start: number, end: number): PackedValue {
  if (kind === 'text') return buffer.toString('utf8', start, end);
  if (kind === 'int') return buffer.readInt32BE(start);
  return kind === 'double' ? buffer.readDoubleBE(start) : buffer.subarray(start, end);
}

/** The rows of `packRecords`, values in the order of the columns. One array is reused for all of them. */
export function* unpackRows(packed: Uint8Array): Generator<PackedValue[]> {
  const buffer = Buffer.from(packed.buffer, packed.byteOffset, packed.length);
  const row: PackedValue[] = new Array(fieldKinds.length).fill(null);
  let at = header.length;
  while (buffer.readInt16BE(at) !== -1) {
    at += 2;
    for (let column = 0; column < fieldKinds.length; column++) {
      const length = buffer.readInt32BE(at);
      at += 4;
      row[column] = length === -1 ? null : readField(buffer, fieldKinds[column]!, at, at + length);
      at += Math.max(0, length);
    }
    yield row;
  }
}
