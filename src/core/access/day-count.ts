/**
 * Requests of one caller on one UTC day. Counted here; with shared limits the count is told to the others in blocks, and theirs comes
 * back, so that together they exceed a quota by at most one block per server. Without, the count is of this process and its life.
 */
import type { SharedLimits } from '../../ports/shared-limits.ts';

export const dayMs = 86_400_000;
/** A count is told at the latest with the first request after this time. */
const tellEveryMs = 1000;

export class DayCount {
  readonly #name: string;
  readonly #shared: Pick<SharedLimits, 'addToDay'> | undefined;
  #day = -1;
  /** Of all servers, as far as told; without shared limits: of this one. */
  #told = 0;
  /** Of this server, not told yet. */
  #untold = 0;
  #triedAtMs = 0;
  #isAway = false;
  #telling: Promise<void> | undefined;

  constructor(name: string, shared: Pick<SharedLimits, 'addToDay'> | undefined) {
    this.#name = name;
    this.#shared = shared;
  }

  /** Counts the request if the quota has room for it. */
  take(unixMs: number, quota: number): boolean {
    this.#turn(unixMs);
    if (this.#told + this.#untold >= quota) return false;
    this.#untold++;
    if (this.#shared === undefined || this.#telling !== undefined) return true;
    const waitedMs = unixMs - this.#triedAtMs;
    const block = this.#isAway ? Number.POSITIVE_INFINITY : Math.max(1, Math.min(1000, Math.floor(quota / 1000)));
    // Backwards too: a clock that was set must not silence it.
    if (this.#untold >= block || waitedMs >= tellEveryMs || waitedMs < 0) this.#startTelling(unixMs);
    return true;
  }

  /** The request was refused by another limit. */
  giveBack(): void {
    this.#untold--;
  }

  remaining(unixMs: number, quota: number): number {
    this.#turn(unixMs);
    return Math.max(0, quota - this.#told - this.#untold);
  }

  isIdle(unixMs: number): boolean {
    return Math.floor(unixMs / dayMs) > this.#day;
  }

  /** Tells what is not told yet. Never rejects; what could not be told is kept for the next time. */
  async flush(unixMs: number): Promise<void> {
    await this.#telling;
    this.#startTelling(unixMs);
    await this.#telling;
  }

  /** One at a time. */
  #startTelling(unixMs: number): void {
    if (this.#shared === undefined || this.#untold <= 0 || this.#telling !== undefined) return;
    this.#telling = this.#tell(this.#shared, this.#day, this.#untold, unixMs).finally(() => {
      this.#telling = undefined;
    });
  }

  async #tell(shared: Pick<SharedLimits, 'addToDay'>, day: number, count: number, unixMs: number): Promise<void> {
    this.#triedAtMs = unixMs;
    try {
      const total = await shared.addToDay(this.#name, day, count);
      this.#isAway = false;
      if (day !== this.#day) return;
      this.#untold -= count;
      this.#told = Math.max(this.#told + count, total);
    } catch {
      this.#isAway = true;
    }
  }

  #turn(unixMs: number): void {
    const day = Math.floor(unixMs / dayMs);
    // A clock set back over midnight does not give yesterday's quota again.
    if (day <= this.#day) return;
    this.#startTelling(unixMs);
    this.#day = day;
    this.#told = 0;
    this.#untold = 0;
  }
}

/** Until the next UTC day. */
export function untilMidnightMs(unixMs: number): number {
  return dayMs - (unixMs % dayMs);
}
