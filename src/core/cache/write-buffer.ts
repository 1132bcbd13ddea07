/**
 * Write-behind: answers wait here until enough of them go to a store together. Bounded: what does not fit is dropped and counted,
 * because a cache that blocks is worse than one that forgets. One per process; made and closed by the response cache.
 */
import type { CacheEntry } from '../../ports/cache-store.ts';
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import { writeBehind } from './cache-settings.ts';
import type { GuardedStore } from './guarded-store.ts';

export interface BufferedWrite {
  readonly store: GuardedStore;
  readonly entry: CacheEntry;
  readonly telemetry: ModelTelemetry;
  /** Asked when it is about to be written: false after an invalidation. */
  readonly wanted: () => boolean;
}

export interface WriteBufferStatus {
  readonly entries: number;
  readonly bytes: number;
  /** Since the start. */
  readonly dropped: number;
}

/** Nobody waits for these, so a store may take its time. */
const writeTimeoutMs = 5000;

export class WriteBuffer {
  readonly #clock: Clock;
  #waiting: BufferedWrite[] = [];
  #bytes = 0;
  #dropped = 0;
  #timer: TimerHandle | undefined;
  #flushing: Promise<void> | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(write: BufferedWrite): void {
    const { maxEntries, maxBytes, batch, delayMs } = writeBehind;
    const size = write.entry.value.byteLength;
    if (this.#waiting.length >= maxEntries || this.#bytes + size > maxBytes) {
      this.#dropped++;
      write.telemetry.cacheTier(write.store.tier, 'write', 'skipped', 0);
      return;
    }
    this.#waiting.push(write);
    this.#bytes += size;
    if (this.#flushing !== undefined) return;
    if (this.#waiting.length >= batch) void this.flush();
    else this.#timer ??= this.#clock.after(delayMs, () => void this.flush());
  }

  /** Resolves when everything that waited has been written or given up. Never rejects. */
  flush(): Promise<void> {
    if (this.#timer !== undefined) this.#clock.clear(this.#timer);
    this.#timer = undefined;
    this.#flushing ??= this.#writeAll().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  status(): WriteBufferStatus {
    return { entries: this.#waiting.length, bytes: this.#bytes, dropped: this.#dropped };
  }

  /** One batch at a time, so that a slow store fills the buffer and not its own queue. */
  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0) {
      const taken = this.#waiting.splice(0, writeBehind.batch);
      for (const { entry } of taken) this.#bytes -= entry.value.byteLength;
      await Promise.all(
        groupByStore(taken).map(([store, entries, telemetry]) => store.write(entries, telemetry, writeTimeoutMs)),
      );
    }
  }
}

/** A batch of several models is told to the telemetry of the first. */
function groupByStore(writes: readonly BufferedWrite[]): [GuardedStore, CacheEntry[], ModelTelemetry][] {
  const groups = new Map<GuardedStore, [GuardedStore, CacheEntry[], ModelTelemetry]>();
  for (const { store, entry, telemetry, wanted } of writes) {
    if (!wanted()) continue;
    const group = groups.get(store);
    if (group === undefined) groups.set(store, [store, [entry], telemetry]);
    else group[1].push(entry);
  }
  return [...groups.values()];
}
