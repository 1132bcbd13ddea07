/**
 * How far a long job is, on standard error: one line that is drawn over on a terminal, else a line now and then for the log. Called by
 * `cache`, `optimize` and `tasks`. Must never touch standard output: that one is for results.
 */
import type { OutputStream } from './terminal.ts';

export interface Progress {
  readonly done: number;
  /** Undefined: not known (yet). */
  readonly total: number | undefined;
  readonly perSecond: number;
  readonly remainingMs: number | undefined;
}

const barWidth = 24;
/** Between the lines of a log. */
const quietMs = 5000;
const clearLine = '\r\u001b[K';

export class ProgressLine {
  readonly #stream: OutputStream;
  readonly #nowMs: () => number;
  #writtenMs = Number.NEGATIVE_INFINITY;
  #drawn = false;

  constructor(stream: OutputStream, nowMs: () => number) {
    this.#stream = stream;
    this.#nowMs = nowMs;
  }

  show(text: string): void {
    if (this.#stream.isTTY === true) {
      this.#stream.write(`${clearLine}${text.slice(0, (this.#stream.columns ?? 80) - 1)}`);
      this.#drawn = true;
      return;
    }
    if (this.#nowMs() - this.#writtenMs < quietMs) return;
    this.#writtenMs = this.#nowMs();
    this.#stream.write(`${text}\n`);
  }

  /** Takes the line away again. Idempotent. */
  clear(): void {
    if (this.#drawn) this.#stream.write(clearLine);
    this.#drawn = false;
  }
}

/** `[#####-----] 50 %  500 of 1000, 120/s, 4 s left`. */
export function renderProgress({ done, total, perSecond, remainingMs }: Progress): string {
  const rate = perSecond > 0 ? `, ${perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond)}/s` : '';
  if (total === undefined || total === 0) return `${done}${rate}`;
  const share = Math.min(1, done / total);
  const filled = Math.round(share * barWidth);
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}]`;
  const left = remainingMs === undefined ? '' : `, ${renderDuration(remainingMs)} left`;
  return `${bar} ${Math.floor(100 * share)} %  ${done} of ${total}${rate}${left}`;
}

export function renderDuration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** `[############------------] 50 %  INT8: verifying`. */
export function renderShare(share: number, what: string): string {
  const filled = Math.round(Math.min(1, share) * barWidth);
  return `[${'#'.repeat(filled)}${'-'.repeat(barWidth - filled)}] ${Math.floor(100 * Math.min(1, share))} %  ${what}`;
}
