/**
 * One meter per model version, found by name once and then held by the caller. Names are capped: a repository of ten thousand models
 * must not make ten thousand label values, so further ones share the meter `other`.
 */
import type { ErrorCode } from '../core/errors.ts';
import type { ModelTelemetry, Protocol, Telemetry } from '../ports/telemetry.ts';
import { ModelMeter } from './model-meter.ts';
import type { PerformanceRecorder } from './performance.ts';

/** Model names with their own label. */
export const maxModelLabels = 200;
/** Versions of one model with their own label; a model republished every hour must not grow without bound. */
export const maxVersionLabels = 16;
const other = 'other';

export class MeterSet implements Telemetry {
  readonly #performance: PerformanceRecorder;
  readonly #wallClock: () => number;
  readonly #models = new Map<string, Map<string, ModelMeter>>();
  readonly unrouted: ModelMeter;

  /** `wallClock` gives milliseconds since 1970. */
  constructor(performance: PerformanceRecorder, wallClock: () => number) {
    this.#performance = performance;
    this.#wallClock = wallClock;
    this.unrouted = new ModelMeter('', '', performance, wallClock);
  }

  /** Those of models, without the unrouted one. */
  all(): ModelMeter[] {
    return [...this.#models.values()].flatMap((versions) => [...versions.values()]);
  }

  meter(model: string, version: string): ModelMeter {
    const overflow = !this.#models.has(model) && this.#models.size >= maxModelLabels;
    const name = overflow ? other : model;
    const versions = getOrAdd(this.#models, name, () => new Map<string, ModelMeter>());
    const tooMany = !versions.has(version) && versions.size >= maxVersionLabels;
    const label = overflow || tooMany ? other : version;
    return getOrAdd(versions, label, () => this.#create(name, label));
  }

  forModel(model: string, version: string): ModelTelemetry {
    return this.meter(model, version);
  }

  unroutedRequest(protocol: Protocol, code: ErrorCode, durationMs: number): void {
    this.unrouted.request(protocol, code, durationMs);
  }

  modelLoaded(model: string, version: string, loadMs: number): void {
    const meter = this.meter(model, version);
    meter.loads += 1;
    meter.lastLoadMs = loadMs;
  }

  modelLoadFailed(model: string, version: string): void {
    this.meter(model, version).failedLoads += 1;
  }

  #create(model: string, version: string): ModelMeter {
    return new ModelMeter(model, version, this.#performance, this.#wallClock);
  }
}

function getOrAdd<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const created = create();
  map.set(key, created);
  return created;
}
