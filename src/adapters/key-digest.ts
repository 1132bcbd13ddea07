/**
 * The hashes of cache keys through node:crypto. The keyed one is GMAC with a secret key and a fixed nonce: a universal hash at memory
 * speed (28 us for 600 KB where SHA-256 takes 331). The fixed nonce is sound only because no tag ever leaves the process.
 */
import { createCipheriv, createHash, randomBytes } from 'node:crypto';
import type { KeyDigest } from '../core/cache/key-digest.ts';

const nonce = new Uint8Array(12);
/** Not in @types/node; Node itself and every driver rely on it. It works on any Uint8Array. */
const latin1Slice = (Buffer.prototype as unknown as { latin1Slice: (start: number, end: number) => string })
  .latin1Slice;

export function createKeyDigest(secret: Uint8Array = randomBytes(16)): KeyDigest {
  return {
    text: (bytes, length) => latin1Slice.call(bytes, 0, length),
    keyed(parts) {
      const cipher = createCipheriv('aes-128-gcm', secret, nonce);
      for (const part of parts) cipher.setAAD(part);
      cipher.final();
      return latin1Slice.call(cipher.getAuthTag(), 0, 16);
    },
    sha256(parts, encoding) {
      const hash = createHash('sha256');
      for (const part of parts) hash.update(part);
      return hash.digest(encoding);
    },
  };
}
