/** Requests in the binary encodings, written with an independent MessagePack library so that it checks the server's own codec. */
import { Packr, Unpackr } from 'msgpackr';

const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, int64AsType: 'bigint' });

/** Sends MessagePack; the answer comes back as MessagePack too. */
export async function postMsgpack(url: string, body: unknown): Promise<WireAnswer> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/msgpack' },
    body: new Uint8Array(packr.pack(body)),
  });
  const bytes = new Uint8Array(await response.arrayBuffer());
  const type = response.headers.get('content-type') ?? '';
  return {
    status: response.status,
    body: type.includes('msgpack') ? unpackr.unpack(bytes) : JSON.parse(new TextDecoder().decode(bytes)),
  };
}

export interface WireAnswer {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: answers are read field by field in assertions
  readonly body: any;
}

/** Sends raw little-endian bytes and takes the first output as raw bytes. */
export async function postRaw(
  url: string,
  tensor: ArrayBufferView<ArrayBuffer>,
  headers: Record<string, string> = {},
): Promise<{ status: number; bytes: Uint8Array<ArrayBuffer>; headers: Headers }> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', accept: 'application/octet-stream', ...headers },
    body: new Uint8Array(tensor.buffer, tensor.byteOffset, tensor.byteLength),
  });
  return { status: response.status, bytes: new Uint8Array(await response.arrayBuffer()), headers: response.headers };
}

/** The raw bytes of a MessagePack `bin` in a buffer of their own, ready to be viewed as numbers. */
export function ownBytes(bin: Uint8Array): ArrayBuffer {
  return new Uint8Array(bin).buffer;
}
