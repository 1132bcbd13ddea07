/** What a training has to say, as plain data: printed as a table, as JSON and as a page. Made by train-table.ts. */
import type { Importance, Leak } from './evaluate/importance.ts';
import type { MetricName, Metrics } from './evaluate/metrics.ts';
import type { ModelKind, Task } from './pipeline/trained-model.ts';
import type { Agreement } from './pipeline/verify.ts';
import type { ModelOptions } from './train-model.ts';

export interface TrainReport {
  readonly task: Task;
  readonly model: ModelKind;
  readonly target: string | undefined;
  readonly seed: number;
  readonly rows: { readonly table: number; readonly train: number; readonly test: number };
  readonly columns: readonly { readonly name: string; readonly kind: 'number' | 'category' }[];
  /** `tensor`: one input takes all columns in this order; `columns`: each column is an input of its name. */
  readonly inputs: 'tensor' | 'columns';
  readonly leftOut: readonly { readonly name: string; readonly reason: string }[];
  readonly notes: readonly string[];
  readonly options: ModelOptions;
  readonly trainMs: number;
  readonly sizeBytes: number;
  /** Undefined for a clustering. */
  readonly evaluation: Evaluation | undefined;
  /** Rows per cluster; clustering only. */
  readonly clusterRows: readonly number[] | undefined;
  /** Set once the exported file was run. */
  readonly agreement: Agreement | undefined;
}

export interface Evaluation {
  /** What trials and importances go by. */
  readonly metric: MetricName;
  /** On the test rows. */
  readonly metrics: Metrics;
  /** The same without looking at any column. */
  readonly baseline: Metrics;
  readonly classNames: readonly string[] | undefined;
  /** Rows by true class, columns by predicted class. */
  readonly confusion: readonly (readonly number[])[] | undefined;
  readonly importance: readonly Importance[];
  readonly leaks: readonly Leak[];
}
