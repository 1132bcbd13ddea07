/** What a scenario hands to the report: tables, and targets with what was measured beside them. */

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface Target {
  readonly what: string;
  readonly comparison: '>=' | '<=';
  readonly target: number;
  readonly unit: string;
  /** NaN: not measured here, and `why` says so. */
  readonly measured: number;
  readonly why?: string;
}

export interface ScenarioResult {
  readonly name: string;
  readonly title: string;
  /** How it was measured, in sentences. */
  readonly method: readonly string[];
  readonly tables: readonly Table[];
  readonly targets: readonly Target[];
  /** Raw figures for results.json. */
  readonly data: unknown;
}

export function verdict(target: Target): 'met' | 'missed' | 'not measured' {
  if (Number.isNaN(target.measured)) return 'not measured';
  const met = target.comparison === '>=' ? target.measured >= target.target : target.measured <= target.target;
  return met ? 'met' : 'missed';
}

export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return '-';
  if (Math.abs(value) >= 1000) return Math.round(value).toLocaleString('en');
  return value.toFixed(Math.abs(value) >= 100 ? 0 : 2);
}
