/**
 * Bounds the predictions in progress in this process. A permit is a value that infer.ts must hold to go on, so that work
 * without admission does not type-check; every permit taken is given back exactly once.
 */
import { HotpathError } from '../errors.ts';

declare const permitBrand: unique symbol;

/** Proof of admission. There is nothing in it, so that taking one allocates nothing. */
export interface Permit {
  readonly [permitBrand]: true;
}

const permit = {} as Permit;

export class InFlightLimit {
  readonly #max: number;
  #current = 0;
  #closed = false;

  constructor(max: number) {
    this.#max = max;
  }

  get current(): number {
    return this.#current;
  }

  /** @throws OVERLOADED when the process is full, SHUTTING_DOWN after `close`. */
  take(): Permit {
    if (this.#closed) throw new HotpathError('SHUTTING_DOWN', 'The server is stopping.', { retryAfterSeconds: 1 });
    if (this.#current >= this.#max) {
      throw new HotpathError('OVERLOADED', 'Too many predictions are in progress; try again later.', {
        reason: 'in-flight',
        retryAfterSeconds: 1,
      });
    }
    this.#current++;
    return permit;
  }

  give(_permit: Permit): void {
    this.#current--;
  }

  close(): void {
    this.#closed = true;
  }
}
