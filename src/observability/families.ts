/** Builds metric families from the table of definitions, so that a collector states a name and its samples and nothing else. */
import type { BucketCounter } from './bucket-counter.ts';
import {
  type HistogramFamily,
  type HistogramSample,
  joinLabels,
  type MetricFamily,
  mergeValues,
  renderLabels,
  type ValueSample,
} from './exposition.ts';
import { type MetricDefinition, type MetricName, metricDefinitions } from './metric-definitions.ts';

type Labels = Readonly<Record<string, string>>;

/** A counter or gauge of the `hotpath_` table. */
export function valueFamily(name: MetricName, samples: readonly ValueSample[]): MetricFamily {
  return definedFamily(`hotpath_${name}`, metricDefinitions[name], samples);
}

/** A counter or gauge of any table. Samples with equal labels (models sharing `other`) become one, by the metric's merge rule. */
export function definedFamily(
  name: string,
  definition: MetricDefinition,
  samples: readonly ValueSample[],
): MetricFamily {
  if (definition.type === 'histogram') throw new TypeError(`${name} is a histogram`);
  const { type, help, merge } = definition;
  return { type, name, help, merge, samples: mergeValues(samples, merge) };
}

export function histogramFamily(
  name: MetricName,
  bounds: readonly number[],
  samples: readonly HistogramSample[],
): HistogramFamily {
  return { type: 'histogram', name: `hotpath_${name}`, help: metricDefinitions[name].help, bounds, samples };
}

/** A duration counter in the base unit; none when nothing was observed. */
export function durationSample(base: string, labels: Labels, counter: BucketCounter): HistogramSample[] {
  if (counter.count === 0) return [];
  return [{ labels: withLabels(base, labels), counts: counter.counts, sum: counter.sum / 1000 }];
}

/** One sample per key: `{crash: 1, hang: 0}` with label `cause`. */
export function recordSamples(base: string, label: string, values: Readonly<Record<string, number>>): ValueSample[] {
  return Object.entries(values).map(([key, value]) => ({ labels: withLabels(base, { [label]: key }), value }));
}

export function withLabels(base: string, labels: Labels): string {
  return joinLabels(base, renderLabels(labels));
}
