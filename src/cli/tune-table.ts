/** What `tune` found out, as tables and sentences for the terminal. Called by tune.ts. Pure. */
import type { CheckedLoad, MeasuredPoint, TuneResult } from '../optimizer/tune/result.ts';
import { goodputShare, operatingShare } from '../optimizer/tune/score.ts';
import { describePoint, describeSettings } from '../optimizer/tune/tune.ts';
import type { TunedSettings } from '../ports/tuning.ts';
import type { Tuned } from '../server-tune.ts';
import { renderTable } from './table.ts';
import type { Style } from './terminal.ts';

export function renderTuned(tuned: Tuned, style: Style): string {
  const { model, version, key, traffic, result } = tuned;
  const { sloMs, ratePerSecond, points, possible, finished, choice, notes } = result;
  const goal = ratePerSecond === undefined ? '' : ` at ${figure(ratePerSecond)} requests/s`;
  const measured = new Set(points.map(({ point }) => describePoint(point))).size;
  const parts = [
    `${model} version ${version}, ${percent(goodputShare)} within ${figure(sloMs)} ms${goal}. ${key.cpu}, ${key.cores} ${key.cores === 1 ? 'core' : 'cores'}, ${key.runtime}.\n${traffic}.`,
    pointTable(result, style),
    `Measured ${measured} of ${possible} settings${finished ? '; none of their neighbours is better than the best' : '; the time was up: --seconds gives more'}.`,
    result.failures.map(({ point, reason }) => `${describePoint(point)} could not be used: ${reason}`).join('\n'),
    checkTable(result, style),
    [...notes, ...tuned.notes].join('\n'),
    [style.bold(choice), whatNext(tuned)].join('\n'),
  ];
  return parts.filter((part) => part !== '').join('\n\n');
}

function pointTable(result: TuneResult, style: Style): string {
  const { points, ratePerSecond } = result;
  const headers = [
    '',
    'INSTANCES',
    'THREADS',
    'GRAPH',
    'PROVIDER',
    'BATCH',
    'MS PER BATCH',
    ratePerSecond === undefined ? 'REQUESTS/S IN TIME' : 'IN TIME',
    ratePerSecond === undefined ? `P99 AT ${percent(operatingShare)}` : 'P99',
  ];
  const rows = points.map((one, index) => [
    markOf(one, index, result),
    String(one.point.instances),
    String(one.point.intraOpThreads),
    one.point.graphOptimizationLevel,
    one.point.executionProvider,
    String(one.maxBatchSize),
    `${figure(one.perRowMs)} n + ${figure(one.fixedMs)}`,
    ratePerSecond === undefined ? figure(one.requestsPerSecond) : percent(one.goodput),
    milliseconds(one.p99Ms),
  ]);
  return `By simulation with the measured times:\n\n${renderTable(headers, rows, style)}`;
}

/** `>` what will be served, `*` what promised most and did not hold it. */
function markOf(one: MeasuredPoint, index: number, { challenger, improved }: TuneResult): string {
  const isChallenger = challenger !== undefined && index > 0 && isOf(one, challenger.settings);
  if (isChallenger) return improved ? '>' : '*';
  return index === 0 ? (improved ? 'default' : '> default') : '';
}

function isOf({ point, maxBatchSize }: MeasuredPoint, settings: TunedSettings): boolean {
  return describeSettings({ ...point, maxBatchSize }) === describeSettings(settings);
}

function checkTable({ defaults, challenger }: TuneResult, style: Style): string {
  const headers = [
    '',
    'LOAD',
    'IN TIME',
    'SIMULATED',
    'REQUESTS/S',
    'SIMULATED',
    'P50',
    'SIMULATED',
    'P99',
    'SIMULATED',
  ];
  const contestants = challenger === undefined ? [defaults] : [defaults, challenger];
  const rows = contestants.flatMap(({ settings, loads }, index) =>
    loads.map((load) => [`${index === 0 ? 'default: ' : ''}${describeSettings(settings)}`, ...loadCells(load)]),
  );
  return `Measured in turns through the real scheduler and engine:\n\n${renderTable(headers, rows, style)}`;
}

function loadCells({ kind, ratePerSecond, goodput, inTimePerSecond, p50Ms, p99Ms, simulated }: CheckedLoad): string[] {
  return [
    `${figure(ratePerSecond)}/s ${kind === 'traffic' ? '' : 'evenly'}`.trimEnd(),
    percent(goodput),
    percent(simulated.goodput),
    figure(inTimePerSecond),
    figure(simulated.inTimePerSecond),
    milliseconds(p50Ms),
    milliseconds(simulated.p50Ms),
    milliseconds(p99Ms),
    milliseconds(simulated.p99Ms),
  ];
}

function whatNext({ kept, result, servedSloMs, model }: Tuned): string {
  const { sloMs, improved } = result;
  const aside = kept.asidePath === undefined ? '' : ` The file that was there is now ${kept.asidePath}.`;
  const other = Math.abs(sloMs - servedSloMs) > 0.01 * sloMs;
  const slo =
    other && improved
      ? ` Set "sloMs": ${figure(sloMs)} in model.json: requests without a deadline get ${figure(servedSloMs)} ms now.`
      : '';
  switch (kept.what) {
    case 'written':
      return `Written: ${kept.path}.${aside} A server uses it from the model's next load on (hotpath serve; a running one: POST /admin/models/${model}/reload).${slo}`;
    case 'removed':
      return `The older entry in ${kept.path} was removed.`;
    case 'nothing':
      return 'Nothing was written; there is nothing to do.';
    default:
      return `Nothing was written (--dry-run); the entry in ${kept.path} ${kept.what}.`;
  }
}

function figure(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return String(Number(value.toPrecision(3)));
}

function milliseconds(ms: number): string {
  return Number.isFinite(ms) ? `${figure(ms)} ms` : '-';
}

function percent(share: number): string {
  return `${Number((100 * share).toFixed(1))} %`;
}
