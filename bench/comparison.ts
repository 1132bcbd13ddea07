/** Table and targets of a scenario in which contenders took turns. */
import type { Table, Target } from './result.ts';
import { formatNumber } from './result.ts';
import type { Results } from './rounds.ts';
import { pairedRatio } from './stats.ts';

const rates = (results: Results, name: string): number[] =>
  (results.get(name)?.rounds ?? []).map((round) => round.requestsPerSecond);

/** Every row carries Hotpath's ratio to it, taken within the rounds. */
export function comparisonTable(results: Results, hotpathName: string): Table {
  return {
    title: 'Medians of the rounds',
    columns: [
      'server',
      'requests/s',
      'p50 ms',
      'p99 ms',
      'server CPU us/request',
      'client CPU',
      'other CPU',
      'failed',
      'Hotpath is',
    ],
    rows: [...results.values()].map(({ name, median }) => [
      name,
      formatNumber(median.requestsPerSecond),
      formatNumber(median.p50Ms),
      formatNumber(median.p99Ms),
      formatNumber(median.serverCpuUs),
      formatShare(median.clientCpuShare),
      formatShare(median.foreignCpuShare),
      String(median.failures),
      name === hotpathName ? '1' : `${formatNumber(pairedRatio(rates(results, hotpathName), rates(results, name)))}x`,
    ]),
  };
}

function formatShare(share: number): string {
  return Number.isNaN(share) ? '-' : `${Math.round(share * 100)} %`;
}

/** `a` over `b` in requests per second, median of the ratios of each round. */
export function ratioTarget(results: Results, a: string, b: string, target: number): Target {
  return {
    what: `${a} / ${b}, requests/s`,
    comparison: '>=',
    target,
    unit: 'x',
    measured: pairedRatio(rates(results, a), rates(results, b)),
    ...(results.has(b) ? {} : { why: `${b} could not run here` }),
  };
}
