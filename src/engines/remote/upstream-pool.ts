/**
 * All addresses of one remote model: picks one for each call, waits when all are full, sends a call again where that is safe, and
 * learns from what happens. Made by remote-engine.ts per loaded version; remote-instance.ts calls `infer`.
 */
import { HotpathError } from '../../core/errors.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { Clock, Random } from '../../ports/clock.ts';
import type { RunLimits } from '../../ports/engine.ts';
import type { Logger } from '../../ports/logger.ts';
import type { UpstreamPoolStatus } from '../../ports/pool-status.ts';
import { type Balancer, createBalancer } from './balance.ts';
import { Ejection } from './ejection.ts';
import { HealthWatch } from './health-watch.ts';
import { adviseRetry, budgetMs, type RetryAdvice } from './retry.ts';
import type { InferJob, Transport } from './transport.ts';
import { UpstreamAddress } from './upstream-address.ts';
import { cancelled, timedOut, toUpstreamFailure, UpstreamFailure } from './upstream-failure.ts';
import type { UpstreamSettings, UpstreamTarget } from './upstream-settings.ts';
import { WaitLine } from './wait-line.ts';

export interface UpstreamPoolOptions {
  /** For the log and the status. */
  readonly name: string;
  readonly version: string;
  readonly settings: UpstreamSettings;
  readonly maxInFlightPerAddress: number;
  readonly createTransport: (target: UpstreamTarget, maxConnections: number) => Transport;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export class UpstreamPool {
  readonly #options: UpstreamPoolOptions;
  readonly #addresses: readonly UpstreamAddress[];
  readonly #balancer: Balancer;
  readonly #line: WaitLine;
  readonly #health: HealthWatch;

  constructor(options: UpstreamPoolOptions) {
    const { settings, maxInFlightPerAddress: maxInFlight, clock, random, createTransport } = options;
    const { addresses, balance, breaker } = settings;
    const ejection = new Ejection(settings.ejection, addresses.length);
    this.#options = options;
    this.#addresses = addresses.map(
      (target, index) =>
        new UpstreamAddress(index, target, createTransport(target, maxInFlight), maxInFlight, breaker, ejection),
    );
    this.#balancer = createBalancer(balance, addresses.length, random);
    this.#line = new WaitLine(clock);
    this.#health = new HealthWatch(this.#addresses, options, () => this.#line.next());
  }

  /** Most calls at a time. */
  get capacity(): number {
    return this.#addresses.length * this.#options.maxInFlightPerAddress;
  }

  /** @throws UpstreamFailure, the last one when it was tried several times. */
  async infer(job: InferJob, limits: RunLimits | undefined): Promise<readonly Tensor[]> {
    const { clock, settings } = this.#options;
    const tried: UpstreamAddress[] = [];
    let last: UpstreamFailure | undefined;
    let advice: RetryAdvice = 'elsewhere';
    for (let attempt = 1; ; attempt++) {
      const address = this.#take(tried, advice, limits, last) ?? (await this.#waitFor(tried, advice, limits, last));
      const timeoutMs = this.#budgetMs(limits);
      try {
        const announced = limits !== undefined && limits.deadlineMs !== Number.POSITIVE_INFINITY;
        const outputs = await address.transport.infer(job, { timeoutMs, announced, cancel: limits?.cancel });
        address.succeed();
        return outputs;
      } catch (error) {
        last = toUpstreamFailure(error);
        address.fail(last, clock.now(), timeoutMs === settings.timeoutMs);
        advice = adviseRetry(last.kind, attempt, settings.retry);
        if (advice === 'no') throw last;
        tried.push(address);
      } finally {
        this.#line.next();
      }
    }
  }

  status(): UpstreamPoolStatus {
    const { name, version, settings, clock } = this.#options;
    const nowMs = clock.now();
    return {
      model: name,
      version,
      balance: settings.balance,
      waiting: this.#line.length,
      addresses: this.#addresses.map((address) => address.status(nowMs)),
    };
  }

  /** Ends all connections; calls in flight fail. */
  close(): void {
    this.#health.stop();
    this.#line.failAll(cancelled());
    for (const { transport } of this.#addresses) transport.close();
  }

  /** An address with room, with the call counted there; undefined when all are full. @throws UpstreamFailure when none may be used. */
  #take(
    tried: readonly UpstreamAddress[],
    advice: RetryAdvice,
    limits: RunLimits | undefined,
    last: UpstreamFailure | undefined,
  ): UpstreamAddress | undefined {
    if (limits?.cancel.cancelled === true) throw cancelled();
    if (this.#budgetMs(limits) <= 0) throw timedOut();
    const allowed = this.#allowed(tried, advice);
    if (allowed.length === 0) throw last ?? noneUsable(this.#addresses.length);
    const free = allowed.filter((address) => address.hasRoom);
    if (free.length === 0) return undefined;
    const address = this.#balancer.pick(free);
    address.begin(this.#options.clock.now());
    return address;
  }

  async #waitFor(
    tried: readonly UpstreamAddress[],
    advice: RetryAdvice,
    limits: RunLimits | undefined,
    last: UpstreamFailure | undefined,
  ): Promise<UpstreamAddress> {
    for (;;) {
      await this.#line.wait(this.#budgetMs(limits), limits?.cancel);
      try {
        const address = this.#take(tried, advice, limits, last);
        if (address !== undefined) return address;
      } catch (error) {
        // It was this one's turn: who gives up must pass it on, or those behind wait for nothing.
        this.#line.next();
        throw error;
      }
    }
  }

  #budgetMs(limits: RunLimits | undefined): number {
    const { clock, settings } = this.#options;
    return budgetMs(clock.now(), limits?.deadlineMs, settings.timeoutMs);
  }

  /**
   * Untried addresses that are well; failing that, untried ones that are not: a health check may be wrong, and an answer from an
   * ill address is better than none. Tried ones only where the failure was the connection's.
   */
  #allowed(tried: readonly UpstreamAddress[], advice: RetryAdvice): readonly UpstreamAddress[] {
    const nowMs = this.#options.clock.now();
    const open = this.#addresses.filter((address) => address.breakerAllows(nowMs));
    const untried = tried.length === 0 ? open : open.filter((address) => !tried.includes(address));
    const well = untried.filter((address) => address.isWell(nowMs));
    if (well.length > 0) return well;
    return untried.length > 0 || advice !== 'anywhere' ? untried : open;
  }
}

function noneUsable(count: number): UpstreamFailure {
  const message = count === 1 ? 'The upstream of the model is down.' : `All ${count} upstreams of the model are down.`;
  return new UpstreamFailure('unavailable', new HotpathError('MODEL_NOT_READY', message, { retryAfterSeconds: 1 }));
}
