/**
 * The Prometheus text format (0.0.4), and the merging of several processes' metrics into one. Called once per scrape.
 * Families are plain data with label sets already rendered, so that they travel between processes as small JSON and
 * two series are the same exactly when their label strings are equal.
 */

import { setImmediate as nextTurn } from 'node:timers/promises';

export type MergeRule = 'sum' | 'max' | 'min' | 'average' | 'first';

export interface ValueSample {
  /** Rendered labels without braces: `model="iris",version="1"`; empty for none. */
  readonly labels: string;
  readonly value: number;
}

export interface HistogramSample {
  readonly labels: string;
  /** Observations per bucket, not cumulative; one more than bounds, the last is +Inf. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export interface ValueFamily {
  readonly type: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  /** How values of equal labels from several processes become one. */
  readonly merge: MergeRule;
  readonly samples: readonly ValueSample[];
}

export interface HistogramFamily {
  readonly type: 'histogram';
  readonly name: string;
  readonly help: string;
  /** Upper bounds, inclusive, ascending, in base units. */
  readonly bounds: readonly number[];
  readonly samples: readonly HistogramSample[];
}

export type MetricFamily = ValueFamily | HistogramFamily;

export const contentType = 'text/plain; version=0.0.4; charset=utf-8';

/** `{a: 'x', b: 'y'}` as `a="x",b="y"`. Empty values are left out, as Prometheus treats them as absent. */
export function renderLabels(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`)
    .join(',');
}

export function joinLabels(left: string, right: string): string {
  return left === '' ? right : right === '' ? left : `${left},${right}`;
}

/** Lines rendered before other work gets a turn: about 5 ms. A page of 200 models has 50,000. */
const linesPerTurn = 5000;

/** The whole page. Values that are not finite are left out: no sample is truer than a wrong one. */
export async function render(families: readonly MetricFamily[]): Promise<string> {
  const parts: string[] = [];
  let lines: string[] = [];
  for (const line of renderLines(families)) {
    lines.push(line);
    if (lines.length < linesPerTurn) continue;
    parts.push(lines.join(''));
    lines = [];
    await nextTurn();
  }
  return parts.join('') + lines.join('');
}

function* renderLines(families: readonly MetricFamily[]): Generator<string> {
  for (const family of families) {
    if (family.samples.length === 0) continue;
    yield `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`;
    if (family.type === 'histogram') yield* renderHistogram(family);
    else yield* renderValues(family);
  }
}

function* renderValues(family: ValueFamily): Generator<string> {
  for (const { labels, value } of family.samples) {
    if (Number.isFinite(value)) yield `${family.name}${braces(labels)} ${value}\n`;
  }
}

function* renderHistogram({ name, bounds, samples }: HistogramFamily): Generator<string> {
  // Turning a fraction into text costs more than all else here, so once per family and not once per series.
  const ends = [...bounds.map(String), '+Inf'].map((bound) => `le="${bound}"} `);
  for (const { labels, counts, sum } of samples) {
    const prefix = `${name}_bucket{${labels === '' ? '' : `${labels},`}`;
    let total = 0;
    for (let i = 0; i < ends.length; i++) {
      total += counts[i] ?? 0;
      yield `${prefix}${ends[i]}${total}\n`;
    }
    yield `${name}_sum${braces(labels)} ${sum}\n`;
    yield `${name}_count${braces(labels)} ${total}\n`;
  }
}

/**
 * Merges the families of several processes. Counters and histograms add up; gauges follow their rule.
 * Processes may know different families and label sets (a worker that has not loaded a model yet).
 */
export function mergeFamilies(processes: readonly (readonly MetricFamily[])[]): MetricFamily[] {
  const byName = new Map<string, MetricFamily[]>();
  for (const family of processes.flat()) {
    const known = byName.get(family.name);
    if (known === undefined) byName.set(family.name, [family]);
    else known.push(family);
  }
  return [...byName.values()].map(mergeSameName);
}

function mergeSameName(families: readonly MetricFamily[]): MetricFamily {
  const first = families[0] as MetricFamily;
  if (first.type === 'histogram') {
    const samples = families.flatMap((family) => (family.type === 'histogram' ? family.samples : []));
    return { ...first, samples: mergeHistograms(samples) };
  }
  const samples = families.flatMap((family) => (family.type === 'histogram' ? [] : family.samples));
  return { ...first, samples: mergeValues(samples, first.merge) };
}

/** Makes label sets unique; also used inside one process, where several models may share the label `other`. */
export function mergeValues(samples: readonly ValueSample[], rule: MergeRule): ValueSample[] {
  return groupByLabels(samples).map(([labels, group]) => ({
    labels,
    value: mergeNumbers(
      group.map((sample) => sample.value),
      rule,
    ),
  }));
}

function mergeHistograms(samples: readonly HistogramSample[]): HistogramSample[] {
  return groupByLabels(samples).map(([labels, group]) => ({
    labels,
    counts: (group[0] as HistogramSample).counts.map((_, i) => total(group.map((sample) => sample.counts[i] ?? 0))),
    sum: total(group.map((sample) => sample.sum)),
  }));
}

function groupByLabels<T extends { readonly labels: string }>(samples: readonly T[]): [string, T[]][] {
  const groups = new Map<string, T[]>();
  for (const sample of samples) {
    const group = groups.get(sample.labels);
    if (group === undefined) groups.set(sample.labels, [sample]);
    else group.push(sample);
  }
  return [...groups];
}

function mergeNumbers(values: readonly number[], rule: MergeRule): number {
  switch (rule) {
    case 'sum':
      return total(values);
    case 'average':
      return total(values) / values.length;
    case 'max':
      return Math.max(...values);
    case 'min':
      return Math.min(...values);
    case 'first':
      return values[0] as number;
  }
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);
const braces = (labels: string): string => (labels === '' ? '' : `{${labels}}`);
const escapeHelp = (text: string): string => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeLabel = (text: string): string => escapeHelp(text).replaceAll('"', '\\"');
