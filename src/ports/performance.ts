/** What /health tells of the last seconds. Built by observability/performance.ts, shown by protocols; data only. */

export interface PerformanceWindow {
  /** Seconds really covered; less than asked for shortly after the start. */
  readonly seconds: number;
  /** Successful answers per second. */
  readonly requestsPerSecond: number;
  /** Refused or failed answers per second. */
  readonly errorsPerSecond: number;
  /** Rows through the engines per second. */
  readonly rowsPerSecond: number;
  /** Quantiles of successful answers, within 2 %; null when there was none. */
  readonly p50Ms: number | null;
  readonly p95Ms: number | null;
  readonly p99Ms: number | null;
  /** Rows per executed batch; null when none ran. */
  readonly meanBatchRows: number | null;
}

export interface PerformanceView {
  readonly last10s: PerformanceWindow;
  readonly last60s: PerformanceWindow;
}
