/**
 * Tensors with their names as the prediction store keeps them: u32 length of the names' part | names as one string tensor | the
 * tensors, both parts as core/tensor-codec.ts writes them. The recorder writes it (small ones through tensor-slab.ts), the routes and
 * the warming of caches read it.
 */
import type { NamedTensor, Tensor } from '../tensor.ts';
import { decodeTensors, encodeTensors } from '../tensor-codec.ts';

interface Named {
  readonly name: string;
}

const prefixBytes = 4;
const headers = new WeakMap<readonly Named[], Uint8Array>();

/** `header`: of their names, as namesHeader gives it. */
export function encodeNamedTensors(header: Uint8Array, tensors: readonly Tensor[]): Uint8Array {
  const encoded = encodeTensors(tensors);
  const bytes = new Uint8Array(header.length + encoded.length);
  bytes.set(header);
  bytes.set(encoded, header.length);
  return bytes;
}

/** Undefined: malformed. */
export function decodeNamedTensors(bytes: Uint8Array): NamedTensor[] | undefined {
  if (bytes.length < prefixBytes) return undefined;
  const end = prefixBytes + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  const names = decodeTensors(bytes.subarray(prefixBytes, end))?.[0]?.data;
  const tensors = decodeTensors(bytes.subarray(end));
  if (!Array.isArray(names) || tensors?.length !== names.length) return undefined;
  return tensors.map((tensor, index) => ({ name: names[index]!, ...tensor }));
}

/** What stands before the tensors of these names. */
export function namesHeader(specs: readonly Named[]): Uint8Array {
  const data = specs.map(({ name }) => name);
  const names = encodeTensors([{ datatype: 'string', shape: [data.length], data }]);
  const header = new Uint8Array(prefixBytes + names.length);
  new DataView(header.buffer).setUint32(0, names.length, true);
  header.set(names, prefixBytes);
  return header;
}

/** The same, remembered: for a signature's own list of inputs or outputs, which lives as long as its model. */
export function rememberedHeader(specs: readonly Named[]): Uint8Array {
  const known = headers.get(specs);
  if (known !== undefined) return known;
  const header = namesHeader(specs);
  headers.set(specs, header);
  return header;
}
