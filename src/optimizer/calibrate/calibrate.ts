/**
 * Finds the range that each value of a model takes on calibration data, by one of five methods. Called by static quantization.
 * Never changes the graph; keeps two numbers or one histogram of 16 KB per value.
 */
import { invalidInput } from '../../core/errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { Range } from '../quantize/affine.ts';
import { rangeOf } from '../quantize/affine.ts';
import { Histogram } from './histogram.ts';
import type { ObserveOptions } from './observe.ts';
import { observe } from './observe.ts';
import { entropyRange, leastSquaresRange, percentileRange } from './thresholds.ts';

export const calibrationMethods = ['min-max', 'moving-average', 'percentile', 'entropy', 'mse'] as const;

export type CalibrationMethod = (typeof calibrationMethods)[number];

export interface CalibrationSettings {
  /** @default 'min-max' */
  readonly method?: CalibrationMethod | undefined;
  /** Share of values that `percentile` keeps, in percent. @default 99.999 */
  readonly percentile?: number | undefined;
  /** Weight of a new run's range in `moving-average`, above 0 up to 1. @default 0.01 */
  readonly averagingConstant?: number | undefined;
  /** Bins per value of the methods with histograms: even, at least 2048. @default 2048 */
  readonly bins?: number | undefined;
}

/** Ranges by the name of the value. */
export type Ranges = ReadonlyMap<string, Range>;

interface Collector {
  add(values: Float32Array): void;
  range(): Range;
}

/** @throws INVALID_INPUT for settings out of range, and as `observe` does */
export async function calibrate(
  graph: Graph,
  options: ObserveOptions,
  settings: CalibrationSettings = {},
): Promise<Ranges> {
  checkSettings(settings);
  const collectors = new Map(options.values.map((value) => [value, makeCollector(settings)]));
  await observe(graph, options, (value, data) => collectors.get(value)!.add(data));
  return new Map([...collectors].map(([value, collector]) => [value, collector.range()]));
}

function checkSettings({ percentile = 99.999, averagingConstant = 0.01, bins = 2048 }: CalibrationSettings): void {
  if (!(percentile > 50 && percentile <= 100)) {
    throw invalidInput('percentile', 'The percentile must be above 50 and at most 100.', '99.999', String(percentile));
  }
  if (!(averagingConstant > 0 && averagingConstant <= 1)) {
    throw invalidInput('averagingConstant', 'The averaging constant must be above 0 and at most 1.');
  }
  if (!Number.isInteger(bins) || bins < 2048 || bins % 2 !== 0 || bins > 2 ** 16) {
    throw invalidInput('bins', 'Bins must be an even number from 2048 to 65536.', '2048', String(bins));
  }
}

function makeCollector({ method = 'min-max', ...settings }: CalibrationSettings): Collector {
  if (method === 'min-max') return movingAverage(undefined);
  if (method === 'moving-average') return movingAverage(settings.averagingConstant ?? 0.01);
  const histogram = new Histogram(settings.bins);
  return {
    add: (values) => histogram.add(values),
    range() {
      if (method === 'percentile') return percentileRange(histogram, settings.percentile ?? 99.999);
      return method === 'entropy' ? entropyRange(histogram) : leastSquaresRange(histogram);
    },
  };
}

/** Without a constant the widest range seen; with one, a run's range moves the average by that share, the first few by more. */
function movingAverage(constant: number | undefined): Collector {
  let kept: Range | undefined;
  let runs = 0;
  return {
    add(values) {
      if (values.length === 0) return;
      const { min, max } = rangeOf(values);
      runs++;
      // The first run is a single row, which must not decide: up to 1 / constant runs count alike.
      const share = constant === undefined ? undefined : Math.max(constant, 1 / runs);
      if (kept === undefined) kept = { min, max };
      else if (share === undefined) kept = { min: Math.min(kept.min, min), max: Math.max(kept.max, max) };
      else kept = { min: kept.min + share * (min - kept.min), max: kept.max + share * (max - kept.max) };
    },
    range: () => kept ?? { min: 0, max: 0 },
  };
}
