/** A background task as the admin listener answers it. For the commands that show one. Types only. */

/** The parts that are shown. */
export interface TaskView {
  readonly id: string;
  readonly kind: string;
  readonly model: string;
  readonly version: string;
  readonly state: string;
  readonly progress: { readonly share: number; readonly what: string };
  readonly createdAt: string;
  readonly startedAt?: string;
  readonly finishedAt?: string;
  readonly result?: {
    readonly chosen: string | null;
    readonly choice: string;
    readonly data?: { readonly title: string };
    readonly variants: readonly VariantView[];
    readonly notes?: readonly string[];
    readonly registered?: { readonly version: string; readonly note?: string };
  };
  readonly error?: { readonly code: string; readonly message: string };
}

export interface VariantView {
  readonly id: string;
  readonly title: string;
  readonly state: string;
  readonly verdict: { readonly passed: boolean; readonly reason: string };
  readonly sizeBytes: number;
  readonly pareto: boolean;
  readonly timings: readonly {
    readonly batch: number;
    readonly ms: { readonly median: number };
    readonly speedup: { readonly median: number };
  }[];
}
