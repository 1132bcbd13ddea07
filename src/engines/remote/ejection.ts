/**
 * Outlier ejection: an address that fails several times in a row while others answer is left out for a time that grows with each
 * ejection, but never more than a share of all addresses. Pure; `nowMs` comes in. One per pool, owned by upstream-pool.ts.
 */
import type { EjectionConfig } from '../../ports/upstream-config.ts';

interface Outlier {
  failuresInRow: number;
  ejections: number;
  untilMs: number;
}

export class Ejection {
  readonly #config: Required<EjectionConfig>;
  readonly #records: Outlier[];

  /** @param count how many addresses there are */
  constructor(config: Required<EjectionConfig>, count: number) {
    this.#config = config;
    this.#records = Array.from({ length: count }, () => ({ failuresInRow: 0, ejections: 0, untilMs: 0 }));
  }

  isEjected(index: number, nowMs: number): boolean {
    return nowMs < this.#records[index]!.untilMs;
  }

  /** When it comes back; undefined when it is not ejected. */
  ejectedUntilMs(index: number, nowMs: number): number | undefined {
    return this.isEjected(index, nowMs) ? this.#records[index]!.untilMs : undefined;
  }

  succeed(index: number): void {
    const record = this.#records[index]!;
    record.failuresInRow = 0;
    // One success halves the memory of former times rather than erasing it: an address that flaps stays away for longer.
    record.ejections >>= 1;
  }

  /** @returns true when this failure ejected it */
  fail(index: number, nowMs: number): boolean {
    const { failures, baseMs, maxMs } = this.#config;
    const record = this.#records[index]!;
    record.failuresInRow++;
    if (failures === 0 || record.failuresInRow < failures || nowMs < record.untilMs) return false;
    if (!this.#mayEject(nowMs)) return false;
    record.failuresInRow = 0;
    record.ejections++;
    record.untilMs = nowMs + Math.min(maxMs, baseMs * record.ejections);
    return true;
  }

  #mayEject(nowMs: number): boolean {
    const { length } = this.#records;
    let ejected = 0;
    for (const { untilMs } of this.#records) if (nowMs < untilMs) ejected++;
    // Never the last one.
    return ejected + 1 < length && (ejected + 1) * 100 <= length * this.#config.maxPercent;
  }
}
