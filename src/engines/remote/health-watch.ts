/**
 * Asks every address at intervals whether its server is ready. An address that says no, or nothing, gets no calls while another is
 * well. Owned by upstream-pool.ts. It asks for the server, not the model: models may load on their first request.
 */
import type { Clock, Random, TimerHandle } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { UpstreamAddress } from './upstream-address.ts';
import { toUpstreamFailure } from './upstream-failure.ts';
import type { UpstreamSettings } from './upstream-settings.ts';

/** A server that takes longer than this to say that it is ready is not. */
const maxTimeoutMs = 2000;

export interface HealthWatchOptions {
  readonly name: string;
  readonly settings: UpstreamSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class HealthWatch {
  readonly #options: HealthWatchOptions;
  readonly #onRecovered: () => void;
  readonly #timers = new Map<UpstreamAddress, TimerHandle>();
  #stopped = false;

  constructor(addresses: readonly UpstreamAddress[], options: HealthWatchOptions, onRecovered: () => void) {
    this.#options = options;
    this.#onRecovered = onRecovered;
    if (options.settings.healthIntervalMs > 0) for (const address of addresses) this.#schedule(address);
  }

  stop(): void {
    this.#stopped = true;
    for (const timer of this.#timers.values()) this.#options.clock.clear(timer);
    this.#timers.clear();
  }

  /** With a tenth of jitter, so that many gateways do not ask in step. */
  #schedule(address: UpstreamAddress): void {
    if (this.#stopped) return;
    const { clock, random, settings } = this.#options;
    const delayMs = settings.healthIntervalMs * (0.9 + 0.2 * random());
    this.#timers.set(
      address,
      clock.after(delayMs, () => void this.#check(address).then(() => this.#schedule(address))),
    );
  }

  async #check(address: UpstreamAddress): Promise<void> {
    const timeoutMs = Math.min(maxTimeoutMs, this.#options.settings.timeoutMs);
    let healthy = false;
    let reason = 'it says that it is not ready';
    try {
      healthy = await address.transport.serverReady(timeoutMs);
    } catch (error) {
      const { kind, message } = toUpstreamFailure(error);
      reason = message;
      // A hung server or a dead link: calls on these connections would wait for their whole time.
      if (kind === 'timeout') address.transport.reset();
    }
    if (!this.#stopped) this.#note(address, healthy, reason);
  }

  #note(address: UpstreamAddress, healthy: boolean, reason: string): void {
    if (address.healthy === healthy) return;
    address.healthy = healthy;
    const fields = { model: this.#options.name, upstream: address.address };
    if (healthy) {
      this.#options.logger.info(fields, 'upstream is well again');
      this.#onRecovered();
    } else this.#options.logger.warn({ ...fields, reason }, 'upstream is not well');
  }
}
