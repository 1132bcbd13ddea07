/** Frees the memory of a socket's chunk whose bytes were copied. Used by whoever reads large messages from sockets. */

/** Smaller chunks are cheap to collect. */
const minReleasedBytes = 16 * 1024;

/**
 * Instead of leaving it to the garbage collector: ten chunks of 64 KiB for each image drive it into full collections, a quarter of
 * the main thread's time. `chunk` is as the socket gave it; nobody may look at it afterwards.
 */
export function releaseChunk({ buffer, byteLength }: Buffer): void {
  // Chunks of TLS are cut from memory that others share.
  const isWhole = byteLength === buffer.byteLength;
  if (isWhole && byteLength >= minReleasedBytes && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
