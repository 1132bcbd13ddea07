/**
 * Says which models changed. File-system events only wake it up; the truth is a comparison of two looks at the folder, so
 * lost, doubled and early events do no harm. A model is reported once it looks the same twice in a row: half-written files
 * wait. A slow poll stands behind the events, for file systems that send none. Started by the model source's watch().
 */
import type { Clock, TimerHandle } from '../../ports/clock.ts';
import type { Look } from './fingerprint.ts';

export interface FolderWatcherOptions {
  readonly clock: Clock;
  readonly look: () => Promise<Look>;
  /** Starts the system's watch; returns its stop function, or undefined where it cannot be had now (no such folder). */
  readonly arm: (onEvent: () => void, onBroken: () => void) => (() => void) | undefined;
  readonly onChange: (names: readonly string[]) => void;
  /** Quiet time between two looks. @default 200 */
  readonly settleMs?: number;
  /** Longest time between two looks. @default 10000, and a tenth of it while the system's watch cannot be had */
  readonly pollMs?: number;
}

export class FolderWatcher {
  readonly #options: FolderWatcherOptions;
  readonly #settleMs: number;
  readonly #pollMs: number;
  /** What was reported last, and what was seen last. */
  #reported: ReadonlyMap<string, string> | undefined;
  #seen: Look | undefined;
  #disarm: (() => void) | undefined;
  #timer: TimerHandle | undefined;
  #looking = false;
  #woken = false;
  #stopped = false;

  constructor(options: FolderWatcherOptions) {
    this.#options = options;
    this.#settleMs = options.settleMs ?? 200;
    this.#pollMs = options.pollMs ?? 10_000;
    this.#arm();
    void this.#look();
  }

  stop(): void {
    this.#stopped = true;
    this.#disarm?.();
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
  }

  #arm(): void {
    this.#disarm?.();
    this.#disarm = this.#options.arm(
      () => this.#wake(),
      () => {
        this.#disarm = undefined;
        this.#wake();
      },
    );
  }

  /** A burst of events moves the look no further away: the first one sets the timer, the settling makes it safe. */
  #wake(): void {
    if (this.#woken || this.#stopped) return;
    this.#woken = true;
    if (!this.#looking) this.#schedule();
  }

  #schedule(): void {
    const { clock } = this.#options;
    if (this.#timer !== undefined) clock.clear(this.#timer);
    const idleMs = this.#disarm === undefined ? this.#pollMs / 10 : this.#pollMs;
    this.#timer = clock.after(this.#woken ? this.#settleMs : idleMs, () => void this.#look());
  }

  async #look(): Promise<void> {
    this.#looking = true;
    this.#woken = false;
    try {
      const look = await this.#options.look();
      if (!this.#stopped) this.#compare(look);
    } catch {
      // The folder vanished in the middle of the look; the next one sees it gone.
    }
    this.#looking = false;
    if (!this.#stopped) this.#schedule();
  }

  #compare(look: Look): void {
    const before = this.#seen;
    this.#seen = look;
    const replaced = before !== undefined && look.root !== before.root;
    if (replaced || this.#disarm === undefined) this.#arm();
    if (before === undefined || this.#reported === undefined) {
      this.#reported = look.models;
      return;
    }
    const changed = differingNames(this.#reported, look.models);
    if (changed.length === 0) return;
    const settled = changed.filter((name) => before.models.get(name) === look.models.get(name));
    if (settled.length < changed.length) this.#woken = true;
    if (settled.length > 0) this.#report(settled, look.models);
  }

  #report(names: readonly string[], models: ReadonlyMap<string, string>): void {
    const reported = new Map(this.#reported);
    for (const name of names) {
      const print = models.get(name);
      if (print === undefined) reported.delete(name);
      else reported.set(name, print);
    }
    this.#reported = reported;
    this.#options.onChange(names);
  }
}

function differingNames(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): string[] {
  const names = new Set([...a.keys(), ...b.keys()]);
  return [...names].filter((name) => a.get(name) !== b.get(name)).sort();
}
