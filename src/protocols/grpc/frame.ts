/**
 * gRPC's framing of messages on their way out: a flag, the length, the message. A message is a list of chunks so that tensors are
 * sent from where they are; the first chunk begins with room for the prefix.
 */

/** Flag byte and 32-bit length. */
export const prefixBytes = 5;

export interface Frame {
  /** The first begins with `prefixBytes` bytes that are not part of the message. */
  readonly chunks: readonly Uint8Array[];
  /** Bytes of the message, without the prefix. */
  readonly length: number;
}

/** A message that exists as one array already: copied, as the messages made this way are small. */
export function frameOf(message: Uint8Array): Frame {
  const chunk = Buffer.allocUnsafe(prefixBytes + message.byteLength);
  chunk.set(message, prefixBytes);
  return { chunks: [chunk], length: message.byteLength };
}

/** Fills the room in front; the chunks are then the bytes of the stream. */
export function sealFrame({ chunks, length }: Frame, compressed: boolean): readonly Uint8Array[] {
  const [first] = chunks as [Uint8Array];
  first[0] = compressed ? 1 : 0;
  first[1] = length >>> 24;
  first[2] = length >>> 16;
  first[3] = length >>> 8;
  first[4] = length;
  return chunks;
}

/** The message of a frame as one array, for compression. */
export function joinFrame({ chunks, length }: Frame): Uint8Array {
  const [first, ...rest] = chunks as [Uint8Array, ...Uint8Array[]];
  const body = first.subarray(prefixBytes);
  return rest.length === 0 ? body : Buffer.concat([body, ...rest], length);
}
