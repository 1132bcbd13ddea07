/**
 * Messages between a model runner and its process, over a socket: 8 bytes of length, then the value as `v8.serialize` writes it.
 * Called on both sides. Node's own channel between processes takes seconds for the 100 MB that calibration sends at once.
 */
import type { Socket } from 'node:net';
import { deserialize, serialize } from 'node:v8';

const headBytes = 8;

export function sendFrame(socket: Socket, value: unknown): void {
  const body = serialize(value);
  const head = Buffer.alloc(headBytes);
  head.writeBigUInt64LE(BigInt(body.length));
  socket.cork();
  socket.write(head);
  socket.write(body);
  socket.uncork();
}

/** Calls back with every whole value that arrives, in order. */
export function readFrames(socket: Socket, onValue: (value: unknown) => void): void {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let wanted = -1;
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    bytes += chunk.length;
    for (;;) {
      const needed = headBytes + Math.max(0, wanted);
      if (bytes < needed) return;
      const joined = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
      if (wanted < 0) {
        wanted = Number(joined.readBigUInt64LE());
        chunks = [joined];
        continue;
      }
      // A copy that starts at 0, so that typed arrays in it are aligned and outlive the chunk.
      const body = Buffer.from(joined.buffer.slice(joined.byteOffset + headBytes, joined.byteOffset + needed));
      const rest = joined.subarray(needed);
      chunks = rest.length === 0 ? [] : [rest];
      bytes = rest.length;
      wanted = -1;
      onValue(deserialize(body));
    }
  });
}
