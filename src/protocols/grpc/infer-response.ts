/**
 * ModelInferResponse to bytes, by hand: names and shapes into one small buffer, large tensors as chunks of their own that are sent
 * from the engine's memory. Called once per answered prediction. Tensors go raw unless the client asked for typed contents.
 */

import { oipNames } from '../../core/oip-names.ts';
import type { Datatype, NamedTensor, TypedArray } from '../../core/tensor.ts';
import { writeElements } from '../oip/bytes-elements.ts';
import type { OipParameters } from '../oip/request.ts';
import { type Frame, prefixBytes } from './frame.ts';
import { writeParameters } from './infer-parameters.ts';
import { varintBytes, WireWriter, writeVarint } from './wire-writer.ts';

export interface InferAnswer {
  readonly model: string;
  readonly version: string;
  /** Empty when the request had none. */
  readonly id: string;
  readonly parameters: OipParameters | undefined;
  readonly outputs: readonly NamedTensor[];
}

/** A ModelInferResponse, or one wrapped into the ModelStreamInferResponse of a stream. */
export type Envelope = 'response' | 'stream-response';

/** Up to here copying costs less than another chunk in the socket's queue. */
const maxInlineBytes = 16 * 1024;

/** Fields of InferTensorContents. */
const contentFields = {
  bool: 1,
  int8: 2,
  int16: 2,
  int32: 2,
  int64: 3,
  uint8: 4,
  uint16: 4,
  uint32: 4,
  uint64: 5,
  float16: 0,
  float32: 6,
  float64: 7,
  string: 8,
} as const satisfies Record<Datatype, number>;

/** Key and length of the response inside a stream response. */
const wrapBytes = 6;

/** `typed` asks for typed contents; float16 has none, so that a response with a float16 output goes raw all the same. */
export function encodeInferResponse(answer: InferAnswer, envelope: Envelope, typed: boolean): Frame {
  const message = new ChunkedMessage(envelope);
  const { writer } = message;
  writer.text(1, answer.model);
  writer.text(2, answer.version);
  writer.text(3, answer.id);
  if (answer.parameters !== undefined) writeParameters(writer, 4, answer.parameters);
  const raw = !typed || answer.outputs.some((output) => output.datatype === 'float16');
  for (const output of answer.outputs) writeOutput(message, output, raw);
  if (raw) for (const output of answer.outputs) message.bytesField(6, rawBytesOf(output));
  return message.finish();
}

/** A ModelStreamInferResponse that says what was wrong with the request of this id. */
export function encodeStreamError(text: string, id: string): Frame {
  const writer = new WireWriter(prefixBytes, 64 + 3 * (text.length + id.length));
  writer.text(1, text);
  const response = writer.open(2);
  writer.text(3, id);
  writer.close(response);
  return { chunks: [writer.buffer.subarray(0, writer.pos)], length: writer.pos - prefixBytes };
}

/** What is written, and where in it foreign memory comes in between. */
class ChunkedMessage {
  readonly writer: WireWriter;
  readonly #wrapped: boolean;
  readonly #room: number;
  readonly #cuts: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  #foreignBytes = 0;

  constructor(envelope: Envelope) {
    this.#wrapped = envelope === 'stream-response';
    this.#room = prefixBytes + (this.#wrapped ? wrapBytes : 0);
    this.writer = new WireWriter(this.#room, 256);
  }

  bytesField(field: number, bytes: Uint8Array): void {
    const { writer } = this;
    writer.bytesHead(field, bytes.byteLength);
    if (bytes.byteLength <= maxInlineBytes) writer.bytes(bytes);
    else {
      this.#cuts.push({ at: writer.pos, bytes });
      this.#foreignBytes += bytes.byteLength;
    }
  }

  finish(): Frame {
    const { buffer, pos } = this.writer;
    let length = pos - this.#room + this.#foreignBytes;
    let start = this.#room;
    if (this.#wrapped) {
      const inner = length;
      start -= 1 + varintBytes(inner);
      buffer[start] = (2 << 3) | 2;
      writeVarint(buffer, start + 1, inner);
      length += this.#room - start;
    }
    start -= prefixBytes;
    return { chunks: this.#chunks(buffer, start, pos), length };
  }

  #chunks(buffer: Buffer, start: number, end: number): Uint8Array[] {
    if (this.#cuts.length === 0) return [buffer.subarray(start, end)];
    const chunks: Uint8Array[] = [];
    for (const { at, bytes } of this.#cuts) {
      chunks.push(buffer.subarray(start, at), bytes);
      start = at;
    }
    if (start < end) chunks.push(buffer.subarray(start, end));
    return chunks;
  }
}

function writeOutput({ writer }: ChunkedMessage, output: NamedTensor, raw: boolean): void {
  const start = writer.open(5);
  writer.text(1, output.name);
  writer.text(2, oipNames[output.datatype]);
  writer.packedInt64(3, output.shape);
  if (!raw) {
    const contents = writer.open(5);
    writeContents(writer, output);
    writer.close(contents);
  }
  writer.close(start);
}

function writeContents(writer: WireWriter, { datatype, data }: NamedTensor): void {
  const field = contentFields[datatype];
  if (Array.isArray(data)) {
    for (const text of data) writer.presentText(field, text);
  } else if (data.length > 0) {
    if (datatype === 'float32' || datatype === 'float64' || datatype === 'bool') writeFixed(writer, field, data);
    else writeVarints(writer, field, data);
  }
}

/** Elements that are on the wire as they are in memory; a bool is a varint of one byte. */
function writeFixed(writer: WireWriter, field: number, data: TypedArray): void {
  writer.bytesHead(field, data.byteLength);
  writer.bytes(bytesOf(data));
}

function writeVarints(writer: WireWriter, field: number, data: TypedArray): void {
  const list = writer.open(field);
  // An element takes ten bytes at most; rooms of a few thousand elements keep the buffer near its real size.
  for (let index = 0; index < data.length; index++) {
    if (index % 4096 === 0) writer.reserve(10 * Math.min(4096, data.length - index));
    writer.rawVarint(data[index]!);
  }
  writer.close(list);
}

function rawBytesOf({ data }: NamedTensor): Uint8Array {
  return Array.isArray(data) ? writeElements(data) : bytesOf(data);
}

function bytesOf(data: TypedArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
