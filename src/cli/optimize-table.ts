/** What `optimize` found out, as a table and sentences for the terminal. Called by optimize.ts. Pure. */
import { type Speed, speedOf } from '../optimizer/plan/choose.ts';
import { qualityOf, qualityTitle, worstSqnr } from '../optimizer/plan/quality.ts';
import type { BatchTiming, OptimizeResult, VariantResult, VariantState } from '../optimizer/plan/result.ts';
import { renderTable } from './table.ts';
import type { Style } from './terminal.ts';

const mostReason = 90;

export function renderOptimized(result: OptimizeResult, style: Style): string {
  const { variants, data, machine, notes } = result;
  const batches = variants[0]!.timings.map(({ batch }) => batch);
  const headers = [
    '',
    'VARIANT',
    'SIZE',
    ...batches.map((batch) => `${batch} ${batch === 1 ? 'ROW' : 'ROWS'}`),
    'MEMORY',
  ];
  const shown = variants.filter(({ state }) => state !== 'unchanged');
  const rows = shown.map((variant) => [
    variant.id === result.chosen ? '>' : variant.pareto ? '*' : '',
    variant.title,
    sizeCell(variant, variants[0]!),
    ...batches.map((batch) => timeCell(variant, batch)),
    variant.residentBytes === 0 ? '-' : bytes(variant.residentBytes),
    ...qualityCells(variant, result),
  ]);
  headers.push(qualityTitle(result).toUpperCase(), 'SQNR', 'GATE');
  const parts = [
    `${result.model}: ${data.title}; ${data.calibrationRows} to calibrate, ${data.heldOutRows} to verify. ${machine.cpu}, 1 thread.`,
    renderTable(headers, rows, style),
    [...slowSentences(variants), ...reasons(variants)].join('\n'),
    ...notes,
    style.bold(result.choice),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function sizeCell({ sizeBytes, state }: VariantResult, original: VariantResult): string {
  if (sizeBytes === 0) return '-';
  const share = state === 'original' ? '' : ` (${(sizeBytes / original.sizeBytes).toFixed(2)}x)`;
  return `${bytes(sizeBytes)}${share}`;
}

function timeCell({ timings, state }: VariantResult, batch: number): string {
  const timing = timings.find((one) => one.batch === batch);
  if (timing === undefined) return '-';
  const text = milliseconds(timing.ms.median);
  return state === 'original' ? text : `${text} ${times(timing)}`;
}

/** `3.1x (2.9-3.3)`, or `7.2x slower`. */
function times(timing: BatchTiming): string {
  const { median, low, high } = timing.speedup;
  if (speedOf(timing) === 'slower') return `${factor(1 / median)}x SLOWER`;
  return `${factor(median)}x (${factor(low)}-${factor(high)})`;
}

function qualityCells(variant: VariantResult, result: OptimizeResult): string[] {
  const { difference, state, verdict } = variant;
  const quality = qualityOf(variant, result);
  if (state === 'original') return [quality, '', ''];
  if (difference === undefined) return [quality, '-', state];
  return [quality, worstSqnr(variant), verdict.passed ? 'passed' : 'REFUSED'];
}

function slowSentences(variants: readonly VariantResult[]): string[] {
  return variants.flatMap(({ title, timings }) => {
    const slow = timings.filter((timing) => (speedOf(timing) satisfies Speed) === 'slower');
    if (slow.length === 0) return [];
    const where = slow.map(
      ({ batch, speedup }) => `${factor(1 / speedup.median)} times with ${batch} ${batch === 1 ? 'row' : 'rows'}`,
    );
    return [`${title} is slower than the original here: ${where.join(', ')}.`];
  });
}

const outcomes: Readonly<Partial<Record<VariantState, string>>> = {
  refused: 'was refused',
  unchanged: 'is not offered',
  failed: 'was not built',
};

function reasons(variants: readonly VariantResult[]): string[] {
  return variants.flatMap(({ title, state, verdict }) => {
    const what = outcomes[state];
    if (what === undefined) return [];
    const reason =
      verdict.reason.length > 3 * mostReason ? `${verdict.reason.slice(0, 3 * mostReason)} ..` : verdict.reason;
    return [`${title} ${what}: ${reason}`];
  });
}

function factor(value: number): string {
  return value.toFixed(value < 1.95 ? 2 : 1);
}

export function milliseconds(ms: number): string {
  return `${ms < 0.1 ? ms.toFixed(4) : ms < 10 ? ms.toFixed(2) : ms.toFixed(1)} ms`;
}

export function bytes(count: number): string {
  if (count < 1e6) return `${(count / 1e3).toFixed(1)} kB`;
  return count < 1e9 ? `${(count / 1e6).toFixed(1)} MB` : `${(count / 1e9).toFixed(2)} GB`;
}
