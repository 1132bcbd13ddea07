/** What the composition root gives to `optimize`: how models are run and looked at, and who is told how far it is. Types only. */
import type { Random } from '../../ports/clock.ts';
import type { ModelRunner, RunnerOptions } from '../pass.ts';
import type { TimedModel } from './bench.ts';
import type { PassLoader } from './pass-table.ts';
import type { MachineFacts } from './result.ts';

export interface TimedRunner extends ModelRunner {
  open(model: Uint8Array | string, options?: RunnerOptions): Promise<TimedModel>;
}

export interface ModelTrial {
  /** The shape of each input in a run that worked, by name; undefined when none did. */
  readonly shapes: Readonly<Record<string, readonly number[]>> | undefined;
  /** Of one row; undefined when no run worked. */
  readonly singleRunMs: number | undefined;
  /** Whether rows may be joined, and why not. */
  readonly batch: { readonly safe: true } | { readonly safe: false; readonly reason: string };
}

export interface OptimizeTools {
  readonly runner: TimedRunner;
  /** Runs an unknown model where it can do no harm. @throws MODEL_FAILED */
  readonly tryModel: (path: string) => Promise<ModelTrial>;
  /** @default the table of pass-table.ts */
  readonly findPass?: PassLoader;
  /** A fresh one per use, so that a resumed run draws the same numbers. */
  readonly random: (purpose: string) => Random;
  readonly machine: MachineFacts;
  /** Of the package: variants of another version are built anew. */
  readonly version: string;
  /** Above the sum of their sizes times three, models are opened one at a time. */
  readonly memoryBytes: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress: (share: number, what: string) => void;
}
