/** What `tune` needs from outside: a process that has one setting of the model open, and the rules of a load. Types only. */
import type { OpenLoopJob, OpenLoopResult } from './open-loop.ts';
import type { SaturateJob, Saturation } from './saturate.ts';
import type { Point } from './space.ts';

export interface OpenSetting {
  /** What the sweep of a load measures: milliseconds of one batch on an idle machine. */
  readonly warm: readonly { readonly rows: number; readonly ms: number }[];
  saturate(job: SaturateJob): Promise<Saturation>;
  openLoop(job: OpenLoopJob): Promise<OpenLoopResult>;
  /** Ends its process. Idempotent. */
  close(): Promise<void>;
}

export interface TuneTools {
  /** @throws MODEL_FAILED when this setting cannot be used, the reason of the signal when aborted */
  readonly open: (point: Point) => Promise<OpenSetting>;
  /** What a load that is not tuned would derive from its sweep. */
  readonly derive: (warm: OpenSetting['warm']) => { readonly maxBatchSize: number; readonly sloMs: number };
  readonly nowMs: () => number;
  /** 0 to 1, and what is being done. */
  readonly onProgress: (share: number, what: string) => void;
  readonly signal?: AbortSignal | undefined;
}
