/**
 * One address of a pool: its connections, its calls in flight, and what is known of its well-being. Owned by upstream-pool.ts,
 * which decides by it; this file only keeps the books.
 */

import { Breaker } from '../../core/breaker.ts';
import type { UpstreamAddressStatus } from '../../ports/pool-status.ts';
import type { Candidate } from './balance.ts';
import type { Ejection } from './ejection.ts';
import type { Transport } from './transport.ts';
import { type UpstreamFailure, verdictOf } from './upstream-failure.ts';
import type { UpstreamSettings, UpstreamTarget } from './upstream-settings.ts';

export class UpstreamAddress implements Candidate {
  readonly index: number;
  readonly weight: number;
  readonly address: string;
  readonly transport: Transport;
  readonly maxInFlight: number;
  readonly #breaker: Breaker;
  readonly #ejection: Ejection;
  inFlight = 0;
  healthy = true;
  #calls = 0;
  #errors = 0;
  #lastError: string | undefined;

  constructor(
    index: number,
    { address, weight }: UpstreamTarget,
    transport: Transport,
    maxInFlight: number,
    breaker: UpstreamSettings['breaker'],
    ejection: Ejection,
  ) {
    this.index = index;
    this.weight = weight;
    this.address = address;
    this.transport = transport;
    this.maxInFlight = maxInFlight;
    this.#breaker = new Breaker(breaker);
    this.#ejection = ejection;
  }

  get hasRoom(): boolean {
    return this.inFlight < this.maxInFlight;
  }

  /** Neither found ill nor left out; the breaker is another question. */
  isWell(nowMs: number): boolean {
    return this.healthy && !this.#ejection.isEjected(this.index, nowMs);
  }

  breakerAllows(nowMs: number): boolean {
    return this.#breaker.allows(nowMs);
  }

  begin(nowMs: number): void {
    this.inFlight++;
    this.#calls++;
    this.#breaker.begin(nowMs);
  }

  succeed(): void {
    this.inFlight--;
    this.#breaker.succeed();
    this.#ejection.succeed(this.index);
  }

  /** @param ownLimit false when the call was given less time than a call may take: then being late is no fault. */
  fail({ kind, message }: UpstreamFailure, nowMs: number, ownLimit: boolean): void {
    this.inFlight--;
    const verdict = kind === 'timeout' && !ownLimit ? 'none' : verdictOf[kind];
    if (verdict === 'well') {
      this.#breaker.succeed();
      this.#ejection.succeed(this.index);
    } else if (verdict === 'none') this.#breaker.abandon();
    else {
      this.#errors++;
      this.#lastError = message;
      this.#breaker.fail(nowMs);
      this.#ejection.fail(this.index, nowMs);
    }
  }

  status(nowMs: number): UpstreamAddressStatus {
    const until = this.#ejection.ejectedUntilMs(this.index, nowMs);
    return {
      address: this.address,
      ...this.transport.connections(),
      inFlight: this.inFlight,
      maxInFlight: this.maxInFlight,
      calls: this.#calls,
      errors: this.#errors,
      lastError: this.#lastError,
      healthy: this.healthy,
      breaker: this.#breaker.state(nowMs),
      ejectedForMs: until === undefined ? undefined : Math.ceil(until - nowMs),
    };
  }
}
