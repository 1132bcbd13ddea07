/**
 * The warm-ups of one process, one after the other: two at once would only take longer, and more from the clients. Made by the
 * composition root; asked at loads and by the admin API. Each may be cancelled while it waits or runs; `close` cancels all.
 */
import type { Clock } from '../../ports/clock.ts';
import type { InferCall, InferResponse } from '../types.ts';
import { CacheWarmer, type WarmItem, type WarmProgress } from './cache-warmer.ts';

export interface WarmUp {
  readonly model: string;
  /** A version, no label. */
  readonly version: string;
  /** Reads what there is to warm, when the turn has come. */
  readonly inputs: () => Promise<WarmInputs>;
  /** False once nobody needs it any more. */
  readonly isWanted: () => boolean;
}

export interface WarmInputs {
  readonly items: Iterable<WarmItem>;
  readonly total: number;
}

export interface WarmJob {
  status(): WarmStatus;
  /** The last status. Rejects when the inputs could not be read. */
  readonly result: Promise<WarmStatus>;
  /** Idempotent. */
  cancel(reason: string): void;
}

export interface WarmStatus extends WarmProgress {
  /** `waiting`: another warm-up runs. `stopped`: it ended early, and `reason` says why. */
  readonly state: 'waiting' | 'warming' | 'done' | 'stopped';
  readonly model: string;
  readonly version: string;
  readonly reason?: string | undefined;
  /** The first ten, at the end. */
  readonly errors?: readonly string[] | undefined;
}

export interface WarmUpsDeps {
  readonly infer: (call: InferCall) => Promise<InferResponse>;
  readonly clock: Clock;
}

const nothingYet: WarmProgress = {
  total: undefined,
  computed: 0,
  cached: 0,
  failed: 0,
  skipped: 0,
  elapsedMs: 0,
  perSecond: 0,
  remainingMs: undefined,
};

export class WarmUps {
  readonly #deps: WarmUpsDeps;
  readonly #jobs = new Set<Job>();
  /** Resolves when the last one asked for has ended. */
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(deps: WarmUpsDeps) {
    this.#deps = deps;
  }

  begin(warmUp: WarmUp): WarmJob {
    const job = new Job(this.#deps, warmUp, this.#last);
    this.#jobs.add(job);
    this.#last = job.result
      // Whoever asked has the result.
      .catch(() => {})
      .finally(() => this.#jobs.delete(job));
    if (this.#closed) job.cancel('The server is stopping.');
    return job;
  }

  /** Resolves when all have ended, which is soon. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#jobs) job.cancel('The server is stopping.');
    await this.#last;
  }
}

class Job implements WarmJob {
  readonly #deps: WarmUpsDeps;
  readonly #warmUp: WarmUp;
  readonly result: Promise<WarmStatus>;
  #warmer: CacheWarmer | undefined;
  #cancelled: string | undefined;

  constructor(deps: WarmUpsDeps, warmUp: WarmUp, turn: Promise<unknown>) {
    this.#deps = deps;
    this.#warmUp = warmUp;
    this.result = turn.then(() => this.#run());
  }

  status(): WarmStatus {
    const { model, version } = this.#warmUp;
    if (this.#warmer === undefined) return { state: 'waiting', model, version, ...nothingYet };
    return { state: 'warming', model, version, ...this.#warmer.progress() };
  }

  cancel(reason: string): void {
    this.#cancelled ??= reason;
    this.#warmer?.cancel(reason);
  }

  async #run(): Promise<WarmStatus> {
    const { model, version, inputs, isWanted } = this.#warmUp;
    const read = this.#cancelled === undefined ? await inputs() : undefined;
    if (this.#cancelled !== undefined || read === undefined) {
      return { state: 'stopped', model, version, ...nothingYet, reason: this.#cancelled, errors: [] };
    }
    this.#warmer = new CacheWarmer({ ...this.#deps, ...read, isWanted });
    const { stoppedBy, errors, ...progress } = await this.#warmer.run();
    const state = stoppedBy === undefined ? 'done' : 'stopped';
    return { state, model, version, ...progress, reason: stoppedBy, errors };
  }
}
