/**
 * NumPy's array files (.npy, format 1 to 3) as tensors. Called by load-arrays.ts, also for the members of an .npz.
 * It reads bytes only: pickled objects, which could run code in Python, are refused.
 * https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { invalidInput } from '../../core/errors.ts';
import type { Datatype, Tensor, TypedArray } from '../../core/tensor.ts';
import { allocate, elementBytes, elementCount, viewBytes } from '../../core/tensor.ts';

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const mostHeaderBytes = 2 ** 20;

const datatypes: Readonly<Record<string, Datatype>> = {
  b1: 'bool',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
  i1: 'int8',
  i2: 'int16',
  i4: 'int32',
  i8: 'int64',
  u1: 'uint8',
  u2: 'uint16',
  u4: 'uint32',
  u8: 'uint64',
};

interface Header {
  readonly kind: string;
  readonly bigEndian: boolean;
  /** Bytes of `S`, characters of `U`, else bytes. */
  readonly width: number;
  readonly fortran: boolean;
  readonly shape: readonly number[];
  readonly dataStart: number;
}

/**
 * @param name what messages call the array
 * @returns row-major data; where alignment allows a view of `bytes`
 * @throws INVALID_INPUT: no .npy file, a type without counterpart (objects, complex numbers, dates, records), too few or too many bytes
 */
export function parseNpy(name: string, bytes: Uint8Array<ArrayBuffer>): Tensor {
  const header = readHeader(name, bytes);
  const { kind, width, shape } = header;
  const count = elementCount(shape);
  if (count < 0) throw wrong(name, `has an impossible shape [${shape.slice(0, 8).join(', ')}].`);
  const itemBytes = kind === 'U' ? 4 * width : width;
  const body = bytes.subarray(header.dataStart);
  if (body.length !== count * itemBytes) {
    throw wrong(name, `should hold ${count * itemBytes} bytes of data and holds ${body.length}.`);
  }
  const tensor = readBody(header, count, body);
  return header.fortran && shape.length > 1 ? toRowMajor(tensor) : tensor;
}

function readHeader(name: string, bytes: Uint8Array): Header {
  if (bytes.length < 10 || magic.some((byte, index) => bytes[index] !== byte)) {
    throw wrong(name, 'is no NumPy array: it does not start with "\\x93NUMPY".');
  }
  const version = bytes[6]!;
  if (version < 1 || version > 3) throw wrong(name, `has format version ${version}; 1 to 3 are known.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const start = version === 1 ? 10 : 12;
  const length = version === 1 ? view.getUint16(8, true) : bytes.length < 12 ? 0 : view.getUint32(8, true);
  if (length > mostHeaderBytes || start + length > bytes.length) throw wrong(name, 'is cut off within its header.');
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, length).toString(version === 3 ? 'utf8' : 'latin1');
  const descr = /'descr'\s*:\s*'([<>|=]?)([A-Za-z])(\d*)'/.exec(text);
  if (descr === null) throw wrong(name, 'holds records, which no model takes; save plain arrays.');
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(text);
  const shape = /'shape'\s*:\s*\(([\d\s,L]*)\)/.exec(text);
  if (order === null || shape === null) throw wrong(name, 'has a header without shape or order.');
  const [, byteOrder, kind = '', digits = ''] = descr;
  const known = datatypes[kind + digits] !== undefined || ((kind === 'U' || kind === 'S') && /^\d{1,6}$/.test(digits));
  if (!known) throw wrong(name, `has the type "${kind}${digits}". Expected numbers, booleans or strings.`);
  return {
    kind,
    bigEndian: byteOrder === '>',
    width: Number(digits),
    fortran: order[1] === 'True',
    shape: [...shape[1]!.matchAll(/\d+/g)].map(([dim]) => Number(dim)),
    dataStart: start + length,
  };
}

function readBody({ kind, width, shape, bigEndian }: Header, count: number, body: Uint8Array<ArrayBuffer>): Tensor {
  if (kind === 'U' || kind === 'S')
    return { datatype: 'string', shape, data: readTexts(kind, width, count, body, bigEndian) };
  const datatype = datatypes[kind + width] as Exclude<Datatype, 'string'>;
  const size = elementBytes[datatype];
  if (bigEndian && size > 1) body = swapped(body, size);
  return { datatype, shape, data: viewBytes(datatype, body.buffer, body.byteOffset, body.length) };
}

function swapped(bytes: Uint8Array<ArrayBuffer>, size: number): Uint8Array<ArrayBuffer> {
  const copy = bytes.slice();
  for (let at = 0; at < copy.length; at += size) copy.subarray(at, at + size).reverse();
  return copy;
}

/** Fixed width, filled up with NUL. */
function readTexts(kind: 'U' | 'S', width: number, count: number, body: Uint8Array, bigEndian: boolean): string[] {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  return Array.from({ length: count }, (_, index) => {
    let text = '';
    for (let at = 0; at < width; at++) {
      const place = index * width + at;
      const code = kind === 'S' ? body[place]! : view.getUint32(4 * place, !bigEndian);
      text += code <= 0x10ffff ? String.fromCodePoint(code) : '\ufffd';
    }
    return text.replace(/\0+$/, '');
  });
}

/** The first axis runs fastest in the file. */
function toRowMajor({ datatype, shape, data }: Tensor): Tensor {
  const target = allocate(datatype, data.length) as TypedArray;
  const source = data as TypedArray;
  const strides = shape.map((_, axis) => elementCount(shape.slice(0, axis)));
  const index = shape.map(() => 0);
  let from = 0;
  for (let to = 0; to < source.length; to++) {
    target[to] = source[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      from -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return { datatype, shape, data: target };
}

function wrong(name: string, what: string): Error {
  return invalidInput(name, `The array "${name}" ${what}`);
}
