/** Writes what a run found: tables on the terminal, docs/benchmarks.md for people, bench/results.json for programs. */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Environment } from './environment.ts';
import type { BenchOptions } from './options.ts';
import type { ScenarioResult, Table, Target } from './result.ts';
import { formatNumber, verdict } from './result.ts';
import { warmUpSeconds } from './rounds.ts';

export function printScenario(result: ScenarioResult): void {
  console.log(`\n${result.title}`);
  for (const table of [...result.tables, targetTable(result.targets)]) console.log(`\n${plainTable(table)}`);
}

/** Paths of the two files written. */
export async function writeReport(
  environment: Environment,
  options: BenchOptions,
  results: readonly ScenarioResult[],
): Promise<readonly string[]> {
  const markdown = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url));
  const json = fileURLToPath(new URL('./results.json', import.meta.url));
  await mkdir(new URL('../docs/', import.meta.url), { recursive: true });
  const all = await withEarlier(json, environment, options, results);
  await writeFile(markdown, toMarkdown(environment, options, all));
  const content = { date: options.date, environment, results: all };
  await writeFile(json, `${JSON.stringify(content, roundNumbers, 1)}\n`);
  return [markdown, json];
}

/**
 * With the scenarios that were not run now, as the last run on this machine with these versions found them: what a scenario
 * compares was measured in one run all the same.
 */
async function withEarlier(
  file: string,
  environment: Environment,
  { date }: BenchOptions,
  results: readonly ScenarioResult[],
): Promise<readonly ScenarioResult[]> {
  const earlier = await readFile(file, 'utf8').then(
    (text) => JSON.parse(text) as { date: string; environment: unknown; results: ScenarioResult[] },
    () => undefined,
  );
  if (earlier?.date !== date || JSON.stringify(earlier.environment) !== JSON.stringify(environment)) return results;
  const now = new Map(results.map((result) => [result.name, result]));
  const kept = earlier.results.map((result) => now.get(result.name) ?? revived(result));
  return [...kept, ...results.filter(({ name }) => !earlier.results.some((one) => one.name === name))];
}

/** A figure that was not measured is null in the file. */
function revived(result: ScenarioResult): ScenarioResult {
  const targets = result.targets.map((target) => ({ ...target, measured: target.measured ?? Number.NaN }));
  return { ...result, targets };
}

/** Histogram buckets stay out of the file; NaN has no JSON. */
function roundNumbers(key: string, value: unknown): unknown {
  if (key === 'data' && typeof value === 'object' && value !== null && 'buckets' in value) return undefined;
  if (typeof value !== 'number') return value;
  return Number.isFinite(value) ? Number(value.toPrecision(5)) : null;
}

function toMarkdown(environment: Environment, options: BenchOptions, results: readonly ScenarioResult[]): string {
  const parts = [
    '# Benchmarks',
    '<!-- Written by `npm run bench`. Do not edit. -->',
    `Measured on ${options.date} with \`npm run bench\`. Absolute numbers belong to this machine; the ratios are what travels, because all servers took turns in the same run.`,
    markdownTable(environmentTable(environment)),
    `Method: all servers of a scenario run at once and take turns in rotating order (scenarios may come from several runs of the day), ${options.rounds} rounds of ${options.roundSeconds} s (large model: 4 s) after a warm-up of ${warmUpSeconds} s under load; tables show medians, ratios are medians of the ratios within each round. State pinning: none; client and server share the cores; a round or overload step during which other work used more than 0.3 cores is repeated, at most twice, and the least disturbed one counts; start-up and lonely requests are not repeated. Before every round answers at the same concurrency (640, or 24 of the large model) are compared with the right answer of their own row, computed by a bare session.${options.quick ? ' **This was a quick run: a smoke test, not a result.**' : ''}`,
    '## Targets',
    markdownTable(
      targetTable(
        results.flatMap(({ targets, title }) =>
          targets.map((target) => ({ ...target, what: `${title}: ${target.what}` })),
        ),
      ),
    ),
  ];
  for (const result of results) {
    parts.push(`## ${result.title}`, result.method.join(' '));
    for (const table of result.tables) parts.push(`**${table.title}**`, markdownTable(table));
  }
  return `${parts.join('\n\n')}\n`;
}

function environmentTable(environment: Environment): Table {
  const { python } = environment;
  const packages = python && Object.entries(python).map(([name, version]) => `${name} ${version}`);
  return {
    title: 'Machine and versions',
    columns: ['what', 'value'],
    rows: [
      ['CPU', `${environment.cpu}, ${environment.cores} cores`],
      ['Memory', `${environment.memoryGb} GB`],
      ['System', environment.platform],
      ['Node', environment.node],
      ['Hotpath', environment.hotpath],
      ['onnxruntime-node', environment.onnxruntime],
      ['Python peers', packages?.join(', ') ?? 'not installed: left out'],
      ['Load', environment.client],
    ],
  };
}

function targetTable(targets: readonly Target[]): Table {
  return {
    title: 'Targets',
    columns: ['what', 'target', 'measured', 'verdict'],
    rows: targets.map((target) => [
      target.what,
      `${target.comparison} ${target.target} ${target.unit}`,
      Number.isNaN(target.measured) ? (target.why ?? '-') : `${formatNumber(target.measured)} ${target.unit}`,
      verdict(target),
    ]),
  };
}

function markdownTable({ columns, rows }: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(columns), line(columns.map(() => '---')), ...rows.map(line)].join('\n');
}

function plainTable({ title, columns, rows }: Table): string {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]!.length)));
  const line = (cells: readonly string[]): string =>
    cells.map((cell, index) => (index === 0 ? cell.padEnd(widths[index]!) : cell.padStart(widths[index]!))).join('  ');
  return [title, line(columns), ...rows.map(line)].join('\n');
}
