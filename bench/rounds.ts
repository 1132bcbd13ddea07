/**
 * The heart of a fair comparison: all contenders run at once and take turns, a short round each, in rotating order, so that
 * drift of a shared machine hits all alike. Before each round a contender's answers are verified.
 */
import { measureUndisturbed } from './machine-load.ts';
import type { Measurement } from './measure.ts';
import { median } from './stats.ts';

/** Compilers of JavaScript and allocators settle within this; servers are judged warm. */
export const warmUpSeconds = 6;

/** A contender that runs. */
export interface Entrant {
  /** @throws Error when an answer is wrong: a fast wrong server has no place in the table. */
  readonly verify: () => Promise<void>;
  readonly measure: (seconds: number) => Promise<Measurement>;
  readonly stop: () => Promise<void>;
}

export interface Contender {
  readonly name: string;
  readonly start: () => Promise<Entrant>;
}

export interface RoundOptions {
  readonly rounds: number;
  readonly roundSeconds: number;
}

export interface ContenderResult {
  readonly name: string;
  readonly rounds: readonly Measurement[];
  readonly median: Measurement;
}

export type Results = ReadonlyMap<string, ContenderResult>;

/** Results by name. @throws Error when a contender does not start or answers wrongly. */
export async function takeTurns(contenders: readonly Contender[], options: RoundOptions): Promise<Results> {
  const { rounds, roundSeconds } = options;
  const entrants: { readonly name: string; readonly entrant: Entrant; readonly measured: Measurement[] }[] = [];
  try {
    for (const { name, start } of contenders) entrants.push({ name, entrant: await start(), measured: [] });
    for (const { entrant } of entrants) {
      await entrant.verify();
      await entrant.measure(warmUpSeconds);
    }
    for (let round = 0; round < rounds; round++) {
      for (let turn = 0; turn < entrants.length; turn++) {
        const { name, entrant, measured } = entrants[(turn + round) % entrants.length]!;
        await entrant.verify();
        const result = await measureUndisturbed(() => entrant.measure(roundSeconds));
        measured.push(result);
        printProgress(`round ${round + 1}/${rounds}`, name, result);
      }
    }
  } finally {
    await Promise.all(entrants.map(({ entrant }) => entrant.stop()));
  }
  return new Map(entrants.map(({ name, measured }) => [name, { name, rounds: measured, median: medianOf(measured) }]));
}

function printProgress(round: string, name: string, result: Measurement): void {
  const rate = Math.round(result.requestsPerSecond).toLocaleString('en').padStart(9);
  const failures = result.failures > 0 ? `, ${result.failures} FAILED` : '';
  const foreign = result.foreignCpuShare > 0.3 ? `, others used ${result.foreignCpuShare.toFixed(1)} cores` : '';
  console.log(`  ${round}  ${name.padEnd(34)} ${rate}/s  p99 ${result.p99Ms.toFixed(1)} ms${failures}${foreign}`);
}

function medianOf(list: readonly Measurement[]): Measurement {
  const of = (pick: (measurement: Measurement) => number): number => median(list.map(pick));
  return {
    requestsPerSecond: of((m) => m.requestsPerSecond),
    p50Ms: of((m) => m.p50Ms),
    p99Ms: of((m) => m.p99Ms),
    maxMs: of((m) => m.maxMs),
    failures: list.reduce((sum, m) => sum + m.failures, 0),
    clientCpuShare: of((m) => m.clientCpuShare),
    serverCpuUs: of((m) => m.serverCpuUs),
    foreignCpuShare: of((m) => m.foreignCpuShare),
  };
}
