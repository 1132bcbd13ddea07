/**
 * Whose turn it is: the live sequences of one stateful model. Requests of one sequence run one after the other in the order of
 * their arrival, those of different sequences do not wait for each other. Used by sequence-runner.ts; knows no tensors, time
 * comes in by the clock.
 */
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import { LazyTimer } from '../batching/lazy-timer.ts';
import { HotpathError, invalidInput } from '../errors.ts';
import type { CancelToken, SequenceStep } from '../types.ts';

export interface SequenceTableOptions {
  /** For the messages. */
  readonly model: string;
  readonly clock: Clock;
  readonly maxSequences: number;
  /** A sequence without a request for this long is forgotten. */
  readonly maxIdleMs: number;
  /** Requests that may wait for their turn, of all sequences together. */
  readonly maxWaiting: number;
  readonly onCancelled: () => void;
  readonly onExpired: () => void;
}

/** One sequence; `state` is the user's own. */
export interface LiveSequence<S> {
  /** Undefined before the first answer. */
  state: S | undefined;
}

export interface Turn {
  readonly step: SequenceStep;
  /** On the clock. */
  readonly deadlineMs: number;
  readonly cancel: CancelToken | undefined;
}

interface Entry<S> extends LiveSequence<S> {
  readonly key: string;
  /** Its first request was answered and its last was not. */
  begun: boolean;
  running: boolean;
  idleSinceMs: number;
  readonly waiting: Waiter[];
}

interface Waiter {
  readonly go: () => void;
}

export class SequenceTable<S> {
  readonly #options: SequenceTableOptions;
  readonly #entries = new Map<string, Entry<S>>();
  /** Those that nothing runs for, longest idle first. */
  readonly #idle = new Set<Entry<S>>();
  readonly #sweep: LazyTimer;
  #waiting = 0;

  constructor(options: SequenceTableOptions) {
    this.#options = options;
    this.#sweep = new LazyTimer(options.clock, () => this.#forgetIdle());
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Runs `work` when it is this request's turn. A request that fails leaves the state as it was and its sequence alive, unless it
   * was the first one.
   * @throws INVALID_INPUT for an unknown sequence without start, OVERLOADED when there are too many, CANCELLED and
   *   DEADLINE_EXCEEDED while waiting; and what `work` throws.
   */
  async run<T>(turn: Turn, work: (sequence: LiveSequence<S>) => Promise<T>): Promise<T> {
    const { step } = turn;
    const entry = this.#enter(step);
    if (entry.running) await this.#wait(entry, turn);
    else {
      entry.running = true;
      this.#idle.delete(entry);
    }
    try {
      if (step.start) {
        entry.begun = false;
        entry.state = undefined;
      } else if (!entry.begun) throw this.#notStarted(step);
      const answer = await work(entry);
      entry.begun = !step.end;
      return answer;
    } finally {
      this.#leave(entry);
    }
  }

  /** Forgets all that is idle; nothing is kept afterwards. */
  close(): void {
    this.#sweep.stop();
    for (const entry of this.#idle) this.#entries.delete(entry.key);
    this.#idle.clear();
  }

  #enter(step: SequenceStep): Entry<S> {
    const key = keyOf(step.id);
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    if (!step.start) throw this.#notStarted(step);
    const { maxSequences, maxIdleMs, model } = this.#options;
    if (this.#entries.size >= maxSequences) {
      const message = `Model "${model}" has ${maxSequences} sequences already, the most there can be; try again when one has ended.`;
      throw new HotpathError('OVERLOADED', message, {
        reason: 'sequences',
        retryAfterSeconds: Math.min(1, maxIdleMs / 1000),
      });
    }
    const entry: Entry<S> = { key, state: undefined, begun: false, running: false, idleSinceMs: 0, waiting: [] };
    this.#entries.set(key, entry);
    return entry;
  }

  #leave(entry: Entry<S>): void {
    const next = entry.waiting.shift();
    if (next !== undefined) {
      this.#waiting--;
      next.go();
      return;
    }
    entry.running = false;
    if (!entry.begun) {
      this.#entries.delete(entry.key);
      return;
    }
    const { clock, maxIdleMs } = this.#options;
    entry.idleSinceMs = clock.now();
    this.#idle.add(entry);
    this.#sweep.armBy(entry.idleSinceMs + maxIdleMs);
  }

  #wait(entry: Entry<S>, { deadlineMs, cancel }: Turn): Promise<void> {
    const { clock, maxWaiting, onCancelled, onExpired } = this.#options;
    if (this.#waiting >= maxWaiting) {
      const message = 'Too many requests wait for their turn in a sequence; try again later.';
      throw new HotpathError('OVERLOADED', message, { reason: 'queue-rows', retryAfterSeconds: 1 });
    }
    this.#waiting++;
    return new Promise((resolve, reject) => {
      const settle = () => {
        clock.clear(timer);
        if (cancel !== undefined) cancel.onCancel = undefined;
      };
      const give = (report: () => void, error: HotpathError) => {
        settle();
        entry.waiting.splice(entry.waiting.indexOf(waiter), 1);
        this.#waiting--;
        report();
        reject(error);
      };
      const waiter: Waiter = {
        go: () => {
          settle();
          resolve();
        },
      };
      const late = () =>
        give(onExpired, new HotpathError('DEADLINE_EXCEEDED', 'The deadline passed before the sequence was free.'));
      const timer: TimerHandle = clock.after(Math.max(0, deadlineMs - clock.now()), late);
      if (cancel !== undefined)
        cancel.onCancel = () => give(onCancelled, new HotpathError('CANCELLED', 'The client left.'));
      entry.waiting.push(waiter);
    });
  }

  #forgetIdle(): void {
    const { clock, maxIdleMs } = this.#options;
    for (const entry of this.#idle) {
      const endMs = entry.idleSinceMs + maxIdleMs;
      if (endMs > clock.now()) {
        this.#sweep.armBy(endMs);
        return;
      }
      this.#idle.delete(entry);
      this.#entries.delete(entry.key);
    }
  }

  #notStarted({ id }: SequenceStep): HotpathError {
    const { model } = this.#options;
    return invalidInput(
      'sequence_start',
      `Request for sequence ${quoteId(id)} to model "${model}" must specify the START flag on the first request of the sequence; the sequence is unknown, has ended, or was idle for too long.`,
      'sequence_start: true',
    );
  }
}

/** A number and the text of the same digits are different sequences. */
function keyOf(id: SequenceStep['id']): string {
  return typeof id === 'string' ? `"${id}` : String(id);
}

function quoteId(id: SequenceStep['id']): string {
  return typeof id === 'string' ? JSON.stringify(id.slice(0, 128)) : String(id);
}
