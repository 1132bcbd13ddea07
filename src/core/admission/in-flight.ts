/**
 * Predictions in progress, in all and per client address: the outermost bound, checked before a body is read. Shared by all
 * protocols of a process. Every successful `enter` must be followed by exactly one `leave`.
 */
import { HotpathError } from '../errors.ts';

export interface InFlightLimits {
  readonly maxInFlight: number;
  /** 0: no limit, and nothing is counted per client. */
  readonly maxInFlightPerClient: number;
}

export class InFlightLimiter {
  readonly #limits: InFlightLimits;
  readonly #perClient = new Map<string, number>();
  #total = 0;

  constructor(limits: InFlightLimits) {
    this.#limits = limits;
  }

  /** False: `enter` and `leave` ignore the client, which then need not be found out. */
  get countsClients(): boolean {
    return this.#limits.maxInFlightPerClient > 0;
  }

  get total(): number {
    return this.#total;
  }

  /** Takes a place, or says why not: OVERLOADED or RATE_LIMITED. Returned, not thrown: refusals must stay cheap. */
  enter(client: string): HotpathError | undefined {
    const { maxInFlight, maxInFlightPerClient } = this.#limits;
    if (this.#total >= maxInFlight) {
      return new HotpathError('OVERLOADED', `${maxInFlight} predictions are in progress; try again shortly.`, {
        retryAfterSeconds: 1,
      });
    }
    if (maxInFlightPerClient > 0) {
      const count = this.#perClient.get(client) ?? 0;
      if (count >= maxInFlightPerClient) {
        return new HotpathError(
          'RATE_LIMITED',
          `This client has ${maxInFlightPerClient} predictions in progress, its limit; wait for answers.`,
          { retryAfterSeconds: 1 },
        );
      }
      this.#perClient.set(client, count + 1);
    }
    this.#total++;
    return undefined;
  }

  leave(client: string): void {
    this.#total--;
    if (this.#limits.maxInFlightPerClient === 0) return;
    const count = (this.#perClient.get(client) ?? 1) - 1;
    if (count > 0) this.#perClient.set(client, count);
    else this.#perClient.delete(client);
  }
}
