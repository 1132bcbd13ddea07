/**
 * Circuit breaker of one server: closed, then open after failures in a row, then half open with one call that decides. Keeps a
 * dead server from costing every call a connection attempt. Pure; `nowMs` comes in. Owned by whoever calls the server: an upstream
 * address, a cache tier, a feature source.
 */
import type { BreakerConfig } from '../ports/upstream-config.ts';

export type BreakerState = 'closed' | 'open' | 'half-open';

export class Breaker {
  readonly #config: Required<BreakerConfig>;
  #failuresInRow = 0;
  /** Undefined while closed. */
  #openUntilMs: number | undefined;
  #trying = false;

  constructor(config: Required<BreakerConfig>) {
    this.#config = config;
  }

  state(nowMs: number): BreakerState {
    if (this.#openUntilMs === undefined) return 'closed';
    return nowMs < this.#openUntilMs ? 'open' : 'half-open';
  }

  /** Whether a call may go; half open lets one at a time. */
  allows(nowMs: number): boolean {
    const state = this.state(nowMs);
    return state === 'closed' || (state === 'half-open' && !this.#trying);
  }

  /** A call goes. */
  begin(nowMs: number): void {
    if (this.state(nowMs) === 'half-open') this.#trying = true;
  }

  succeed(): void {
    this.#failuresInRow = 0;
    this.#openUntilMs = undefined;
    this.#trying = false;
  }

  fail(nowMs: number): void {
    this.#failuresInRow++;
    // Calls sent before it opened may fail late: they must not keep it open for longer.
    if (this.state(nowMs) === 'open') return;
    if (this.#trying || this.#failuresInRow >= this.#config.failures) {
      this.#openUntilMs = nowMs + this.#config.openMs;
      this.#trying = false;
    }
  }

  /** A call ended without saying anything about the address, such as a cancelled one. */
  abandon(): void {
    this.#trying = false;
  }
}
