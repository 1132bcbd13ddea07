/**
 * Counts what has begun, so that closing can wait for it. Owned by whatever of this folder has a `close`. Never cancels: what
 * is begun ends by itself, at the latest by the driver's timeout.
 */
import { closed } from './errors.ts';

export class CallGate {
  #running = 0;
  #closing: PromiseWithResolvers<void> | undefined;

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  /** @throws SHUTTING_DOWN (rejects) once closed. */
  run<Result>(start: () => Promise<Result>): Promise<Result> {
    if (this.#closing !== undefined) return Promise.reject(closed());
    this.#running++;
    try {
      return start().finally(this.#end);
    } catch (error) {
      // Thrown before there was a promise: without this, closing would wait forever.
      this.#end();
      return Promise.reject(error);
    }
  }

  /** Resolves when all that had begun has ended. Idempotent. */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      this.#closing = Promise.withResolvers();
      if (this.#running === 0) this.#closing.resolve();
    }
    return this.#closing.promise;
  }

  readonly #end = (): void => {
    this.#running--;
    if (this.#running === 0) this.#closing?.resolve();
  };
}
