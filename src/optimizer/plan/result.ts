/** What `optimize` finds out, as plain data: for the table, the HTML report, `--json` and the work folder. Types only. */
import type { PassReport } from '../pass.ts';
import type { FusionProof } from '../verify/fusion-proof.ts';
import type { Verdict } from '../verify/gate.ts';
import type { LayerDifference } from '../verify/layers.ts';
import type { Task, VariantDifference } from '../verify/verify.ts';

export type Target = 'latency' | 'throughput' | 'size' | 'memory';

export const targets = ['latency', 'throughput', 'size', 'memory'] as const satisfies readonly Target[];

/** A median with the range of the rounds' medians around it. */
export interface Measure {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export interface BatchTiming {
  /** Rows per run. */
  readonly batch: number;
  readonly ms: Measure;
  /** Times as fast as the original, of the same rounds. */
  readonly speedup: Measure;
}

/** `refused` by the gate; `unchanged`: its passes found nothing to do; `failed`: it could not be built or run. */
export type VariantState = 'original' | 'passed' | 'refused' | 'unchanged' | 'failed';

/** What is known once a variant is built and compared; kept in the work folder. */
export interface CheckedVariant {
  readonly id: string;
  readonly title: string;
  readonly state: VariantState;
  readonly verdict: Verdict;
  /** Of all its files; 0 when it was not built. */
  readonly sizeBytes: number;
  readonly passes: readonly PassReport[];
  readonly difference: VariantDifference | undefined;
  readonly layers: readonly LayerDifference[];
  readonly proof: FusionProof | undefined;
  readonly machineSpecific: boolean;
}

export interface VariantResult extends CheckedVariant {
  readonly timings: readonly BatchTiming[];
  /** Growth of its process by loading and running it. */
  readonly residentBytes: number;
  /** No other good variant is better in size, speed and quality at once. */
  readonly pareto: boolean;
}

export interface OptimizeResult {
  readonly model: string;
  readonly task: Task;
  readonly target: Target;
  readonly maxDrop: number;
  readonly data: {
    readonly title: string;
    readonly synthetic: boolean;
    readonly calibrationRows: number;
    readonly heldOutRows: number;
    readonly labelled: boolean;
  };
  readonly machine: MachineFacts;
  /** The original first. */
  readonly variants: readonly VariantResult[];
  readonly chosen: string | undefined;
  /** Why this one, or why none. */
  readonly choice: string;
  readonly notes: readonly string[];
}

export interface MachineFacts {
  readonly cpu: string;
  readonly cores: number;
  readonly arch: string;
  /** Whether 8-bit products are summed without overflow (AVX512-VNNI, AVX-VNNI); undefined where it does not matter or is not known. */
  readonly vnni: boolean | undefined;
  readonly runtime: string;
}
