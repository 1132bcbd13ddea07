/**
 * Fills a model's cache by asking for its answers, as clients would: at the lowest priority, a few at a time, stepping back while
 * the server is overloaded. Made per warm-up by the composition root, which also knows where inputs come from. What is cached
 * already costs a look. It must never hurt a client: it takes no place that one waits for, and leaves the event loop after each input.
 */
import type { Clock } from '../../ports/clock.ts';
import { type ErrorCode, HotpathError, toHotpathError } from '../errors.ts';
import { CancelToken, type InferCall, type InferResponse } from '../types.ts';
import { PolitePause } from './polite-pause.ts';

export interface WarmItem {
  /** Where it comes from, for messages: `line 12`. */
  readonly name: string;
  /** Called once per try, as a call can be decoded only once. Throws INVALID_INPUT. */
  readonly makeCall: () => InferCall;
  /** An input that does not fit the model is left out instead of being a failure. */
  readonly maySkip?: boolean;
}

export interface CacheWarmerOptions {
  readonly items: AsyncIterable<WarmItem> | Iterable<WarmItem>;
  readonly total: number | undefined;
  readonly infer: (call: InferCall) => Promise<InferResponse>;
  readonly clock: Clock;
  /** Asked before each input; false ends the warm-up. @default always true */
  readonly isWanted?: () => boolean;
  /** Inputs at once. @default 2 */
  readonly concurrency?: number;
}

export interface WarmProgress {
  /** Inputs in all, when known. */
  readonly total: number | undefined;
  readonly computed: number;
  /** Inputs that were cached before. */
  readonly cached: number;
  readonly failed: number;
  /** Inputs that no longer fit the model. */
  readonly skipped: number;
  readonly elapsedMs: number;
  readonly perSecond: number;
  /** Estimated from the rate so far. */
  readonly remainingMs: number | undefined;
}

export interface WarmResult extends WarmProgress {
  /** Why it ended early; undefined when all inputs were taken. */
  readonly stoppedBy: string | undefined;
  /** The first ten. */
  readonly errors: readonly string[];
}

/** Generous: nobody waits for a single answer. */
const timeoutMs = 60_000;
const maxErrors = 10;
/** Refusals for that long, and nothing else, mean that now is not the time. */
const maxBusyMs = 600_000;

/** A pause helps. */
const passing: readonly ErrorCode[] = ['OVERLOADED', 'RATE_LIMITED', 'MODEL_NOT_READY'];
/** Whatever input comes next, it would fare no better. */
const final: readonly ErrorCode[] = ['SHUTTING_DOWN', 'MODEL_NOT_FOUND', 'MODEL_FAILED'];

export class CacheWarmer {
  readonly #options: CacheWarmerOptions;
  readonly #pause: PolitePause;
  readonly #running = new Set<CancelToken>();
  readonly #errors: string[] = [];
  #computed = 0;
  #cached = 0;
  #failed = 0;
  #skipped = 0;
  #startedMs: number | undefined;
  #stoppedBy: string | undefined;

  constructor(options: CacheWarmerOptions) {
    this.#options = options;
    this.#pause = new PolitePause(options.clock);
  }

  progress(): WarmProgress {
    const { total, clock } = this.#options;
    const elapsedMs = this.#startedMs === undefined ? 0 : clock.now() - this.#startedMs;
    const done = this.#computed + this.#cached + this.#failed + this.#skipped;
    return {
      total,
      computed: this.#computed,
      cached: this.#cached,
      failed: this.#failed,
      skipped: this.#skipped,
      elapsedMs,
      perSecond: elapsedMs > 0 ? (1000 * done) / elapsedMs : 0,
      remainingMs: total === undefined || done === 0 ? undefined : (elapsedMs / done) * Math.max(0, total - done),
    };
  }

  /** Once. Inputs that fail are counted. @throws whatever `items` throws. */
  async run(): Promise<WarmResult> {
    this.#startedMs = this.#options.clock.now();
    const items = stream(this.#options.items);
    const lanes = Array.from({ length: this.#options.concurrency ?? 2 }, () => this.#work(items));
    const broken = (await Promise.allSettled(lanes)).find((lane) => lane.status === 'rejected');
    await items.return(undefined);
    if (broken !== undefined) throw broken.reason;
    return { ...this.progress(), stoppedBy: this.#stoppedBy, errors: this.#errors };
  }

  /** `run` resolves soon, with what was done. Idempotent. */
  cancel(reason = 'It was cancelled.'): void {
    if (this.#stoppedBy !== undefined) return;
    this.#stoppedBy = reason;
    this.#pause.end();
    for (const token of this.#running) token.cancel();
  }

  async #work(items: AsyncGenerator<WarmItem>): Promise<void> {
    const { clock } = this.#options;
    while (this.#stoppedBy === undefined) {
      const next = await this.#next(items);
      if (next.done || this.#stoppedBy !== undefined) return;
      await this.#take(next.value);
      // Answers from memory take no turn of the event loop: a long file of them would stop it.
      await new Promise<void>((resolve) => clock.defer(resolve));
    }
  }

  async #next(items: AsyncGenerator<WarmItem>): Promise<IteratorResult<WarmItem>> {
    try {
      return await items.next();
    } catch (error) {
      this.cancel('Its inputs could not be read.');
      throw error;
    }
  }

  async #take(item: WarmItem): Promise<void> {
    try {
      const { cache } = await this.#ask(item);
      if (cache === 'miss') this.#computed++;
      else if (cache === undefined || cache === 'bypass') this.#fail(item, 'Its answer is not cached.');
      else this.#cached++;
    } catch (thrown) {
      this.#settle(item, toHotpathError(thrown));
    }
  }

  /** @throws HotpathError, when trying again does not help. */
  async #ask(item: WarmItem): Promise<InferResponse> {
    for (;;) {
      await this.#pause.wait();
      if (this.#options.isWanted?.() === false) this.cancel('The model was unloaded.');
      if (this.#stoppedBy !== undefined) throw new HotpathError('CANCELLED', this.#stoppedBy);
      try {
        const response = await this.#send(item.makeCall());
        this.#pause.succeeded();
        return response;
      } catch (error) {
        if (!(error instanceof HotpathError) || !passing.includes(error.code)) throw error;
        this.#pause.refused(1000 * (error.details?.retryAfterSeconds ?? 0));
        if (this.#pause.busyMs > maxBusyMs) this.cancel(`The server refused for ${maxBusyMs / 60_000} minutes.`);
      }
    }
  }

  async #send(call: InferCall): Promise<InferResponse> {
    const cancel = new CancelToken();
    this.#running.add(cancel);
    try {
      return await this.#options.infer(politely(call, cancel));
    } finally {
      this.#running.delete(cancel);
    }
  }

  #settle(item: WarmItem, { code, message }: HotpathError): void {
    // Not counted: whoever ended the warm-up knows.
    if (code === 'CANCELLED' && this.#stoppedBy !== undefined) return;
    if (final.includes(code)) this.cancel(message);
    else if (code === 'INVALID_INPUT' && item.maySkip === true) this.#skipped++;
    else this.#fail(item, message);
  }

  #fail({ name }: WarmItem, message: string): void {
    this.#failed++;
    if (this.#errors.length < maxErrors) this.#errors.push(`${name}: ${message}`);
  }
}

/** The same question at the lowest priority. Methods stay with their object: a call may be an instance of a class. */
function politely(call: InferCall, cancel: CancelToken): InferCall {
  const { model, version, outputs, entities } = call;
  return {
    model,
    version,
    outputs,
    entities,
    decode: (view) => call.decode(view),
    ...(call.join === undefined ? {} : { join: call.join.bind(call) }),
    priority: 3,
    timeoutMs,
    cancel,
  };
}

async function* stream(items: AsyncIterable<WarmItem> | Iterable<WarmItem>): AsyncGenerator<WarmItem> {
  yield* items;
}
