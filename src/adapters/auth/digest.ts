/** SHA-256, random bytes and comparison in constant time, as core/access wants them. The one place that compares secrets. */
import { hash, randomBytes as random, timingSafeEqual } from 'node:crypto';
import type { KeyCrypto } from '../../core/access/api-key.ts';

export const keyCrypto: KeyCrypto = {
  randomBytes: (count) => random(count),
  sha256: (text) => hash('sha256', text, 'buffer'),
};

// Filled and compared within one synchronous call. A digest as text and copied costs half of one as a new buffer.
const scratch = Buffer.alloc(32);

/** Whether SHA-256 of the text is this digest, in a time that depends on the text's length only. */
export function matchesDigest(text: string, digest: Uint8Array): boolean {
  scratch.write(hash('sha256', text, 'latin1'), 'latin1');
  return timingSafeEqual(scratch, digest);
}

/** SHA-256 as a short text, for maps. */
export function fingerprint(text: string): string {
  return hash('sha256', text, 'latin1');
}
