/** Frees the memory of a socket's chunk whose bytes were copied. Used by whoever reads large messages from sockets. */

/** Smaller chunks are cheap to collect. */
const minReleasedBytes = 16 * 1024;

/**
 * Instead of leaving it to the garbage collector: ten chunks of 64 KiB for each image drive it into full collections, a quarter of
 * the main thread's time. `part` is the chunk, or its end; nobody may look at the chunk afterwards.
 */
export function releaseChunk({ buffer, byteOffset, byteLength }: Buffer): void {
  // Otherwise somebody's next bytes stand behind.
  const isLast = byteOffset + byteLength === buffer.byteLength;
  if (isLast && buffer.byteLength >= minReleasedBytes && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
