/**
 * TensorProtos of model files as constants. Called by graph-document.ts and node.ts. Checks sizes before anything is allocated:
 * dims that promise more than the file holds are refused.
 */
import { invalidInput } from '../../core/errors.ts';
import { elementCount } from '../../core/tensor.ts';
import { rawBytes } from '../../onnx-file/element-type.ts';
import type { Field } from '../../onnx-file/fields.ts';
import { contentOf, integersOf, lastField, numberOf, scanFields, textOf } from '../../onnx-file/fields.ts';
import { elementTypeNames, fields } from '../../onnx-file/schema.ts';
import type { ConstantParts } from './constant.ts';
import { Constant, dataFields, none, wrongSize } from './constant.ts';
import { typedStorageToRaw } from './constant-values.ts';
import type { ExternalReader } from './external-files.ts';

const keys = fields.tensor;

/** A TensorProto. @throws INVALID_INPUT: unknown type, impossible dims, data of the wrong size, bad place of external data */
export function readConstant(message: Uint8Array, files: ExternalReader): Constant {
  const found = scanFields(message);
  const nameField = lastField(found, keys.name);
  const name = nameField === undefined ? '' : textOf(nameField);
  const typeField = lastField(found, keys.dataType);
  const datatype = elementTypeNames.get(typeField === undefined ? 0 : numberOf(typeField));
  if (datatype === undefined)
    throw invalidInput(name, `Tensor "${name}" has an element type that Hotpath does not know.`);
  const dims = integersOf(found, keys.dims).map(Number);
  const count = elementCount(dims);
  if (count < 0) throw invalidInput(name, `Tensor "${name}" has impossible dimensions [${dims.slice(0, 8)}].`);
  const base = { name, datatype, dims, message };
  const location = lastField(found, keys.dataLocation);
  if (location !== undefined && numberOf(location) === 1) return externalConstant(base, found, count, files);
  if (datatype === 'string') {
    const texts = found.filter((field) => field.number === keys.stringData);
    if (texts.length !== count) throw wrongSize(name, count, texts.length);
    return new Constant({ ...base, storage: 'strings', read: none, strings: () => texts.map(textOf) });
  }
  const raw = lastField(found, keys.rawData);
  const expected = rawBytes(datatype, count);
  if (raw !== undefined) {
    const bytes = contentOf(raw);
    if (bytes.length !== expected) throw wrongSize(name, expected, bytes.length);
    return new Constant({ ...base, storage: 'raw', read: () => bytes });
  }
  const typed = found.filter((field) => dataFields.has(field.number));
  const typedBytes = typed.reduce((sum, field) => sum + field.payload.length, 0);
  // Every element takes at least a byte here: dims that promise more are a lie that would cost memory.
  if (typedBytes < (expected === 0 ? 0 : 1) || count > 2 * typedBytes) throw wrongSize(name, expected, typedBytes);
  return new Constant({ ...base, storage: 'typed', read: () => typedStorageToRaw(name, datatype, typed, count) });
}

function externalConstant(
  base: Omit<ConstantParts, 'storage' | 'read'>,
  found: readonly Field[],
  count: number,
  files: ExternalReader,
): Constant {
  const { name, datatype } = base;
  if (datatype === 'string')
    throw invalidInput(name, `Tensor "${name}" keeps strings in another file, which ONNX does not allow.`);
  const entries = new Map<string, string>();
  for (const field of found) {
    if (field.number !== keys.externalData) continue;
    const pair = scanFields(contentOf(field));
    const text = (key: number) => textOf(lastField(pair, key) ?? field);
    entries.set(
      text(fields.entry.key),
      lastField(pair, fields.entry.value) === undefined ? '' : text(fields.entry.value),
    );
  }
  const lengthBytes = rawBytes(datatype, count);
  const location = entries.get('location') ?? '';
  const offsetBytes = wholeNumber(entries.get('offset') ?? '0');
  const stated = wholeNumber(entries.get('length') ?? String(lengthBytes));
  if (stated !== lengthBytes) throw wrongSize(name, lengthBytes, stated);
  const range = { location, offsetBytes, lengthBytes };
  const sizeBytes = lengthBytes === 0 ? 0 : files.sizeOf(location, name);
  if (lengthBytes > 0 && !(offsetBytes + lengthBytes <= sizeBytes)) {
    throw invalidInput(name, `The data of tensor "${name}" reaches beyond the end of its file.`);
  }
  const read = () => (lengthBytes === 0 ? none() : files.read(range, name));
  const readPart = (from: number, length: number) =>
    files.read({ location, offsetBytes: offsetBytes + from, lengthBytes: length }, name);
  return new Constant({ ...base, storage: 'external', read, readPart, external: range });
}

/** NaN, which fits no file, for what is no whole number. */
function wholeNumber(text: string): number {
  return /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
}
