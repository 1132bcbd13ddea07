/**
 * What `hotpath tune` found out about a model on a machine, as `models/<name>/tuning.json` keeps it. Written by the command, read with
 * the model's folder, used by the registry when a version loads. Types only; config/tuning-file.ts checks and writes the JSON.
 */
import type { ExecutionProvider } from './engine.ts';

export type GraphOptimizationLevel = 'disabled' | 'basic' | 'extended' | 'layout' | 'all';

export interface TunedSettings {
  readonly instances: number;
  readonly intraOpThreads: number;
  readonly maxBatchSize: number;
  readonly graphOptimizationLevel: GraphOptimizationLevel;
  readonly executionProvider: ExecutionProvider;
}

/** Where an entry holds. Another processor, another share of its cores or another runtime has other times. */
export interface TunedMachine {
  readonly cpu: string;
  /** Cores the engines of one process may use. */
  readonly cores: number;
  /** Such as `onnxruntime-node 1.30.0`. */
  readonly runtime: string;
}

export interface TuningKey extends TunedMachine {
  /** As the source's `digest`: of the model file and its external data. */
  readonly modelDigest: string;
}

export interface TuningEntry extends TuningKey {
  readonly settings: TunedSettings;
  readonly sloMs: number;
  /** ISO 8601. */
  readonly tunedAt: string;
}

/** What a model's folder has for this machine. */
export interface ModelTuning {
  readonly entries: readonly TuningEntry[];
  /** Whether there are entries of other machines. */
  readonly others: boolean;
  /** A sentence why the file is not used at all. */
  readonly problem?: string | undefined;
}

/** The text of `tuning.json` as it concerns this machine. Never throws. */
export type ReadTuning = (text: string) => ModelTuning;
