/**
 * The busy share of each model's instances between scrapes, from the time their runs took: exact over the interval, where sampling
 * "busy now" would be a coin toss. A run counts when it ends, so runs longer than the interval show late, and the share is cut at 1.
 */
import type { Clock } from '../ports/clock.ts';
import type { ModelMeter } from './model-meter.ts';

/** Scrapes closer together than this share one measurement, so that two scrapers do not measure tiny intervals. */
const minIntervalMs = 1000;

interface Mark {
  readonly atMs: number;
  readonly busyMs: number;
  readonly ratio: number;
}

export class BusyRatios {
  readonly #clock: Clock;
  readonly #startedMs: number;
  readonly #marks = new WeakMap<ModelMeter, Mark>();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startedMs = clock.now();
  }

  /** Models that share a meter (`other`) share its time and add their instances. */
  measure(loaded: readonly { readonly meter: ModelMeter; readonly instances: number }[]): Map<ModelMeter, number> {
    const instances = new Map<ModelMeter, number>();
    for (const model of loaded) instances.set(model.meter, (instances.get(model.meter) ?? 0) + model.instances);
    return new Map([...instances].map(([meter, count]) => [meter, this.#ratio(meter, count)]));
  }

  #ratio(meter: ModelMeter, instances: number): number {
    const nowMs = this.#clock.now();
    const last = this.#marks.get(meter) ?? { atMs: this.#startedMs, busyMs: 0, ratio: 0 };
    const elapsedMs = nowMs - last.atMs;
    if (elapsedMs < minIntervalMs || instances <= 0) return last.ratio;
    const ratio = Math.min(1, (meter.busyMs - last.busyMs) / (elapsedMs * instances));
    this.#marks.set(meter, { atMs: nowMs, busyMs: meter.busyMs, ratio });
    return ratio;
  }
}
