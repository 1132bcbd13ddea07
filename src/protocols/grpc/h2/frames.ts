/** Frames as bytes, for those that are not part of an answer. */
import { errorCode, flag, frameHeaderBytes, frameType } from './protocol.ts';

/** Writes a frame's header; the payload follows it. */
export function putFrameHeader(
  bytes: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  streamId: number,
): void {
  bytes[at] = length >>> 16;
  bytes[at + 1] = length >>> 8;
  bytes[at + 2] = length;
  bytes[at + 3] = type;
  bytes[at + 4] = flags;
  bytes[at + 5] = streamId >>> 24;
  bytes[at + 6] = streamId >>> 16;
  bytes[at + 7] = streamId >>> 8;
  bytes[at + 8] = streamId;
}

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeaderBytes + payload.length);
  putFrameHeader(bytes, 0, payload.length, type, flags, streamId);
  bytes.set(payload, frameHeaderBytes);
  return bytes;
}

export function rstStream(streamId: number, code: number): Buffer {
  return frame(frameType.rstStream, 0, streamId, uint32(code));
}

export function windowUpdate(streamId: number, bytes: number): Buffer {
  return frame(frameType.windowUpdate, 0, streamId, uint32(bytes));
}

export function goaway(lastStreamId: number, code: number = errorCode.noError): Buffer {
  return frame(frameType.goaway, 0, 0, Buffer.concat([uint32(lastStreamId), uint32(code)]));
}

/** Asks for a sign of life. */
export const keepalivePing = frame(frameType.ping, 0, 0, Buffer.from('alive...'));
const drainBytes = Buffer.from('goodbye.');
/** Comes back when the client has read the GOAWAY before it. */
export const drainPing = frame(frameType.ping, 0, 0, drainBytes);

export function isDrainPing(bytes: Buffer, at: number): boolean {
  return bytes.compare(drainBytes, 0, drainBytes.length, at, at + drainBytes.length) === 0;
}

export function pong(payload: Uint8Array): Buffer {
  return frame(frameType.ping, flag.ack, 0, payload);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
