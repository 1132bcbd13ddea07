/** What cache keys need from outside: cryptography and the runtime's fast way from bytes to text. Implemented by adapters/key-digest.ts. */

export interface KeyDigest {
  /** The first `length` bytes as text of as many characters, U+0000 to U+00FF. */
  text(bytes: Uint8Array, length: number): string;
  /**
   * 16 such characters: a hash of the joined parts under a secret of this process, so that nobody outside can construct two inputs
   * that share it. Of no use in another process.
   */
  keyed(parts: readonly Uint8Array[]): string;
  /** SHA-256 of the joined parts: equal everywhere. */
  sha256(parts: readonly Uint8Array[], encoding: 'hex' | 'base64url'): string;
}
