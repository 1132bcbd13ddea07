/**
 * Memory for large messages that are still arriving, over all calls: without it, thousands of streams that stop one byte before the
 * end of a large message would hold what their messages need. Used by frame-reader.ts; messages that are complete no longer count.
 */
import { HotpathError } from '../../core/errors.ts';

export class ReceiveBudget {
  readonly #maxBytes: number;
  #usedBytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** Every `take` must be followed by one `give`. @throws OVERLOADED. */
  take(bytes: number): void {
    if (this.#usedBytes + bytes > this.#maxBytes) {
      throw new HotpathError('OVERLOADED', 'Too many large messages are being received; try again shortly.', {
        retryAfterSeconds: 1,
      });
    }
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
  }
}
