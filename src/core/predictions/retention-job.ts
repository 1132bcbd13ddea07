/**
 * Drops predictions that are older than the configured days, some minutes after the start and then about once a day. Started and
 * stopped by the composition root. One process of many is enough; several do no harm. A failure is logged and tried again in an hour.
 */
import type { Clock, Random, TimerHandle } from '../../ports/clock.ts';
import type { Logger } from '../../ports/logger.ts';
import type { PredictionStore } from '../../ports/prediction-store.ts';

export interface RetentionOptions {
  readonly store: Pick<PredictionStore, 'prune'>;
  readonly clock: Clock;
  /** Unix milliseconds. */
  readonly wallClock: () => number;
  readonly random: Random;
  readonly logger: Logger;
  /** Days that are kept; 0: all, and the job does nothing. */
  readonly days: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

export class RetentionJob {
  readonly #options: RetentionOptions;
  #timer: TimerHandle | undefined;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(options: RetentionOptions) {
    this.#options = options;
  }

  /** At most once. */
  start(): void {
    // The jitter keeps servers that start together apart.
    if (this.#options.days > 0) this.#schedule(5 * minuteMs, 10 * minuteMs);
  }

  /** Begins nothing more; resolves when what runs has ended. Idempotent. */
  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
    await this.#running;
  }

  #schedule(fromMs: number, toMs: number): void {
    const { clock, random } = this.#options;
    if (this.#stopped) return;
    this.#timer = clock.after(fromMs + random() * (toMs - fromMs), () => {
      this.#running = this.#run();
    });
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    const { store, wallClock, logger, days } = this.#options;
    try {
      const predictions = await store.prune(wallClock() - days * dayMs);
      if (predictions > 0) logger.info({ predictions, days }, 'old predictions were dropped');
      this.#schedule(23 * hourMs, 25 * hourMs);
    } catch (error) {
      logger.warn({ err: error }, 'old predictions could not be dropped; the next try is in an hour');
      this.#schedule(hourMs, 1.1 * hourMs);
    }
  }
}
