/**
 * The messages of `inference.GRPCInferenceService` that the gRPC client sends and receives. Tensors go raw; typed contents, with
 * which some servers answer, are read too. Field numbers: proto/open_inference.proto. Pure.
 */
import type { Datatype } from '../core/tensor.ts';
import { rawBytesOf } from './bytes-elements.ts';
import { wrongAnswer } from './client-error.ts';
import { type AnyInferResult, decodeRaw } from './infer-answer.ts';
import { type InferCall, type ParameterValue, parametersOf } from './infer-request.ts';
import { type ModelMetadata, readMetadata, type WireTensor } from './model-metadata.ts';
import { type MessageReader, MessageWriter, MessageReader as Reader } from './node-protobuf.ts';
import { type AnyOutput, arrayFor, bytesOf, checkCount, datatypeOf, type NumericData, oipNames } from './tensors.ts';

/** ModelInferRequest. The deadline goes into a header. */
export function encodeInferRequest(model: string, version: string | undefined, call: InferCall): MessageWriter {
  const writer = new MessageWriter();
  writer.text(1, model);
  writer.text(2, version ?? '');
  writer.text(3, call.id ?? '');
  for (const [key, value] of Object.entries(parametersOf(call, undefined, false))) {
    const entry = new MessageWriter();
    entry.text(1, key);
    entry.message(2, parameterOf(value));
    writer.message(4, entry);
  }
  for (const { name, datatype, shape } of call.inputs) {
    const input = new MessageWriter();
    input.text(1, name);
    input.text(2, oipNames[datatype]);
    input.packed(3, shape);
    writer.message(5, input);
  }
  for (const name of call.outputs ?? []) {
    const output = new MessageWriter();
    output.text(1, name);
    writer.message(6, output);
  }
  for (const { data } of call.inputs) writer.bytes(7, rawBytesOf(data));
  return writer;
}

function parameterOf(value: ParameterValue): MessageWriter {
  const choice = new MessageWriter();
  if (typeof value === 'boolean') choice.bool(1, value);
  // Written even when empty: within a oneof the field says which choice it is.
  else if (typeof value === 'string') choice.bytes(3, Buffer.from(value));
  else if (Number.isSafeInteger(value) && !Object.is(value, -0)) choice.int64(2, BigInt(value));
  else choice.double(4, value);
  return choice;
}

interface PendingOutput {
  name: string;
  datatype: Datatype | undefined;
  readonly shape: number[];
  contents: Contents | undefined;
}

interface Contents {
  readonly integers: bigint[];
  readonly fixed: Buffer[];
  readonly texts: string[];
}

/** ModelInferResponse. Raw outputs view `message`. @throws INVALID_RESPONSE. */
export function decodeInferResponse(message: Buffer): AnyInferResult {
  const reader = new Reader(message);
  const outputs: PendingOutput[] = [];
  const raw: Buffer[] = [];
  let model = '';
  let version = '';
  let id = '';
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) model = reader.text();
    else if (field === 2) version = reader.text();
    else if (field === 3) id = reader.text();
    else if (field === 5) outputs.push(readOutput(reader.message()));
    else if (field === 6) raw.push(reader.bytes());
    else reader.skip();
  }
  const named: Record<string, AnyOutput> = {};
  for (const [index, output] of outputs.entries()) {
    const value = finishOutput(output, raw[index]);
    // A plain assignment to __proto__ would change the object instead of adding to it.
    Object.defineProperty(named, output.name, { value, enumerable: true });
  }
  return { model, version: version || undefined, id: id || undefined, outputs: named };
}

function readOutput(reader: MessageReader): PendingOutput {
  const output: PendingOutput = { name: '', datatype: undefined, shape: [], contents: undefined };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) output.name = reader.text();
    else if (field === 2) output.datatype = datatypeOf(reader.text());
    else if (field === 3) for (const dim of reader.varints()) output.shape.push(Number(dim));
    else if (field === 5) {
      output.contents ??= { integers: [], fixed: [], texts: [] };
      readContents(reader.message(), output.contents);
    } else reader.skip();
  }
  return output;
}

/** InferTensorContents: 1 to 5 are varints, 6 and 7 floats and doubles, 8 bytes. */
function readContents(reader: MessageReader, { integers, fixed, texts }: Contents): void {
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field <= 5) for (const value of reader.varints()) integers.push(value);
    else if (field === 6) fixed.push(reader.fixed(4));
    else if (field === 7) fixed.push(reader.fixed(8));
    else if (field === 8) texts.push(reader.text());
    else reader.skip();
  }
}

function finishOutput({ name, datatype, shape, contents }: PendingOutput, raw: Buffer | undefined): AnyOutput {
  if (datatype === undefined) throw wrongAnswer(`The output ${name} has no datatype.`);
  if (raw !== undefined) return { datatype, shape, data: decodeRaw(name, datatype, shape, raw) };
  const { integers = [], fixed = [], texts = [] } = contents ?? {};
  if (datatype === 'string') {
    checkCount(name, shape, texts.length);
    return { datatype, shape, data: texts };
  }
  const isFloat = datatype === 'float32' || datatype === 'float64';
  if (isFloat) return { datatype, shape, data: decodeRaw(name, datatype, shape, Buffer.concat(fixed)) };
  return { datatype, shape, data: fromIntegers(name, datatype, shape, integers) };
}

function fromIntegers(
  name: string,
  datatype: Exclude<Datatype, 'string'>,
  shape: readonly number[],
  integers: readonly bigint[],
): NumericData {
  checkCount(name, shape, integers.length);
  const array = arrayFor(datatype, shape);
  const words = new DataView(array.buffer);
  const size = array.BYTES_PER_ELEMENT;
  // Low bytes in two's complement are the element, whatever its size and sign.
  for (let index = 0; index < integers.length; index++) {
    const value = integers[index]!;
    if (size === 8) words.setBigUint64(8 * index, value, true);
    else if (size === 4) words.setUint32(4 * index, Number(value & 0xffff_ffffn), true);
    else if (size === 2) words.setUint16(2 * index, Number(value & 0xffffn), true);
    else bytesOf(array)[index] = Number(value & 0xffn);
  }
  return array;
}

/** ModelReadyRequest and ModelMetadataRequest. */
export function encodeModelName(name: string, version: string | undefined): MessageWriter {
  const writer = new MessageWriter();
  writer.text(1, name);
  writer.text(2, version ?? '');
  return writer;
}

/** ServerLiveResponse, ServerReadyResponse and ModelReadyResponse: one bool. */
export function decodeFlag(message: Buffer): boolean {
  const reader = new Reader(message);
  let flag = false;
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) flag = reader.bool();
    else reader.skip();
  }
  return flag;
}

/** ModelMetadataResponse. @throws INVALID_RESPONSE. */
export function decodeMetadata(message: Buffer): ModelMetadata {
  const reader = new Reader(message);
  const wire = {
    name: '',
    versions: [] as string[],
    platform: '',
    inputs: [] as WireTensor[],
    outputs: [] as WireTensor[],
  };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) wire.name = reader.text();
    else if (field === 2) wire.versions.push(reader.text());
    else if (field === 3) wire.platform = reader.text();
    else if (field === 4) wire.inputs.push(readTensor(reader.message()));
    else if (field === 5) wire.outputs.push(readTensor(reader.message()));
    else reader.skip();
  }
  return readMetadata(wire);
}

function readTensor(reader: MessageReader): WireTensor {
  const tensor = { name: '', datatype: '', shape: [] as number[] };
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) tensor.name = reader.text();
    else if (field === 2) tensor.datatype = reader.text();
    else if (field === 3) for (const dim of reader.varints()) tensor.shape.push(Number(BigInt.asIntN(64, dim)));
    else reader.skip();
  }
  return tensor;
}
