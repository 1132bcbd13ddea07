/**
 * Puts what `hotpath tune` found out in the place of what a load would derive: fields of model.json stay as they are, an entry counts for
 * the very file it was measured with, and what is in force is said in a note. Called by load-version.ts. Pure.
 */
import type { ModelConfig, ModelDefinition } from '../../ports/model-source.ts';
import type { TunedSettings, TuningEntry } from '../../ports/tuning.ts';

export interface Tuned {
  /** With the tuned settings in it. */
  readonly config: ModelConfig;
  /** The batch was sized for an SLO like this; undefined when tuning says nothing about batches. */
  readonly batchSloMs: number | undefined;
  readonly notes: readonly string[];
}

/** A batch sized for an SLO this many times as long is too large to go by. */
const sloTolerance = 2;

export function applyTuning({ config, tuning }: ModelDefinition, digest: string): Tuned {
  const untuned = { config, batchSloMs: undefined };
  if (tuning === undefined) return { ...untuned, notes: [] };
  if (tuning.problem !== undefined) return { ...untuned, notes: [tuning.problem] };
  const entry = tuning.entries.find(({ modelDigest }) => modelDigest === digest);
  if (entry === undefined) {
    const of = tuning.entries.length > 0 ? 'another model file' : 'another machine, runtime or number of cores';
    const known = tuning.entries.length > 0 || tuning.others;
    return { ...untuned, notes: known ? [`tuning.json is not used: its settings were measured with ${of}.`] : [] };
  }
  const fields = tunedFields(config, entry.settings);
  return {
    config: { ...config, ...fields },
    batchSloMs: fields.maxBatchSize === undefined ? undefined : entry.sloMs,
    notes: [noteOf(entry, fields)],
  };
}

/** Without the tuned batch where that was right for a much longer SLO than the one in force. */
export function fitBatch({ config, batchSloMs, notes }: Tuned, sloMs: number): Pick<Tuned, 'config' | 'notes'> {
  if (batchSloMs === undefined || sloMs * sloTolerance >= batchSloMs) return { config, notes };
  const { maxBatchSize: _, ...rest } = config;
  const note = 'The SLO is much shorter than the one it was tuned for, so the largest batch is derived instead.';
  return { config: rest, notes: [...notes, note] };
}

/** Instances and threads were measured together: where model.json says something else of one, the other is worth nothing. */
function tunedFields(config: ModelConfig, settings: TunedSettings): Partial<ModelConfig> {
  const { instances, intraOpThreads, maxBatchSize, graphOptimizationLevel, executionProvider } = settings;
  const agrees =
    (config.instances ?? instances) === instances && (config.intraOpThreads ?? intraOpThreads) === intraOpThreads;
  const { sessionOptions } = config;
  // `all` is what a session has anyway: the probe's report of the untuned model is then good for this one.
  const levelIsNews = graphOptimizationLevel !== 'all' && sessionOptions?.graphOptimizationLevel === undefined;
  return {
    ...(agrees ? { instances, intraOpThreads } : {}),
    ...(config.maxBatchSize === undefined ? { maxBatchSize } : {}),
    // On another machine of this kind the provider may be missing, and a tuning must not make a model fail.
    ...(config.executionProviders === undefined
      ? { executionProviders: [executionProvider], fallbackToCpu: config.fallbackToCpu ?? true }
      : {}),
    ...(levelIsNews ? { sessionOptions: { ...sessionOptions, graphOptimizationLevel } } : {}),
  };
}

function noteOf({ tunedAt, sloMs }: TuningEntry, fields: Partial<ModelConfig>): string {
  const { instances, intraOpThreads, maxBatchSize, executionProviders, sessionOptions } = fields;
  const parts = [
    instances === undefined ? '' : `${some(instances, 'instance')} x ${some(intraOpThreads!, 'thread')}`,
    maxBatchSize === undefined || maxBatchSize === 1 ? '' : `batches up to ${maxBatchSize}`,
    executionProviders === undefined || executionProviders[0] === 'cpu' ? '' : `on ${executionProviders[0]}`,
    sessionOptions === undefined ? '' : `graph optimization ${sessionOptions.graphOptimizationLevel}`,
  ].filter((part) => part !== '');
  const what = parts.length === 0 ? 'model.json says everything itself' : parts.join(', ');
  return `Tuned on ${tunedAt.slice(0, 10)} for an SLO of ${Number(sloMs.toPrecision(3))} ms: ${what}.`;
}

function some(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
