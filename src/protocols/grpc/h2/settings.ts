/** SETTINGS: what we tell clients, and what they tell us. Used by connection.ts. */

import { maxDataBytes } from './frame-parser.ts';
import { frame } from './frames.ts';
import {
  ConnectionError,
  defaultMaxFrameBytes,
  defaultWindowBytes,
  errorCode,
  flag,
  frameType,
  max31Bits,
  protocolError,
  setting,
} from './protocol.ts';

const KiB = 1024;
const MiB = KiB * KiB;

/** Receive windows. With the default of 64 KiB a 600 KB tensor needs ten round trips. */
export const streamWindowBytes = 16 * MiB;
export const connectionWindowBytes = 64 * MiB;
/** Of a request's headers, as HTTP/2 counts them. */
export const maxHeaderListBytes = 16 * KiB;

/** What a frame may hold; more tell us nothing new. */
const maxEntries = 32;
const entryBytes = 6;

export function ourSettings(maxStreams: number): Buffer {
  const values = [
    [setting.maxConcurrentStreams, maxStreams],
    [setting.initialWindowSize, streamWindowBytes],
    [setting.maxFrameSize, maxDataBytes],
    [setting.maxHeaderListSize, maxHeaderListBytes],
  ] as const;
  const payload = Buffer.alloc(values.length * entryBytes);
  for (const [index, [id, value]] of values.entries()) {
    payload.writeUInt16BE(id, index * entryBytes);
    payload.writeUInt32BE(value, index * entryBytes + 2);
  }
  return frame(frameType.settings, 0, 0, payload);
}

export const settingsAck = frame(frameType.settings, flag.ack, 0, Buffer.alloc(0));

/** What the client has said, with the defaults for the rest. */
export class PeerSettings {
  windowBytes = defaultWindowBytes;
  maxFrameBytes = defaultMaxFrameBytes;
  /** The client has limited the header table: the next block must begin with a size of ours. */
  saidTableSize = false;

  /** @throws ConnectionError. */
  read(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length % entryBytes !== 0) throw new ConnectionError(errorCode.frameSizeError, 'SETTINGS of a wrong length.');
    if (length > maxEntries * entryBytes) throw new ConnectionError(errorCode.enhanceYourCalm, 'Too many SETTINGS.');
    for (let at = start; at < end; at += entryBytes) this.#set(bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
  }

  #set(id: number, value: number): void {
    if (id === setting.initialWindowSize) {
      if (value > max31Bits) throw new ConnectionError(errorCode.flowControlError, 'The initial window is too large.');
      this.windowBytes = value;
    } else if (id === setting.maxFrameSize) {
      if (value < defaultMaxFrameBytes || value > 0xff_ffff) throw protocolError('The largest frame has a wrong size.');
      this.maxFrameBytes = value;
    } else if (id === setting.enablePush) {
      if (value > 1) throw protocolError('ENABLE_PUSH is neither 0 nor 1.');
    } else if (id === setting.headerTableSize) this.saidTableSize = true;
  }
}
