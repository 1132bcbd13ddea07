/**
 * Reads a Triton `config.pbtxt` or its JSON form: what it means for the server (ModelConfig), what it declares beyond that
 * (TritonModelConfig), and what has no meaning here, in sentences. Called by the model source through the composition root. It reads no files.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { ModelConfig, PipelineConfig } from '../../ports/model-source.ts';
import type { TritonModelConfig } from '../../ports/triton-config.ts';
import { wrongField } from './config-problem.ts';
import { decodeJson, JsonFormError } from './decode-json.ts';
import { decodeDocument } from './decode-message.ts';
import { mapExecution } from './map-execution.ts';
import { mapScheduling, mapVersions } from './map-scheduling.ts';
import { type Mapping, note } from './mapping.ts';
import { modelConfigSchema, type WrittenConfig } from './model-config-schema.ts';
import { TextFormatError } from './text-error.ts';
import { parseTextFormat } from './text-format.ts';
import { toDeclared } from './to-declared.ts';

export interface ReadTritonConfig {
  readonly config: TritonModelConfig;
  /** Without class names; the label files are read by whoever has the folder. */
  readonly model: ModelConfig;
  /** A sentence for each field that was understood but has no effect, or another one than in Triton. */
  readonly notes: readonly string[];
}

/**
 * @param folderName the model's name; a `name` in the file must be the same
 * @throws INVALID_INPUT with line and column where the text is wrong, with the field where the contents are;
 *   UNSUPPORTED for a platform or backend other than ONNX Runtime.
 */
export function readTritonConfig(text: string, folderName: string): ReadTritonConfig {
  return read(decode(text), folderName);
}

/**
 * The same configuration in protobuf's JSON form, as a load call brings it.
 * @throws INVALID_INPUT, UNSUPPORTED as above; messages begin with the name of the call's parameter.
 */
export function readTritonJson(json: unknown, folderName: string): ReadTritonConfig {
  try {
    return read(decodeJson(json, modelConfigSchema), folderName);
  } catch (error) {
    if (error instanceof JsonFormError) {
      throw invalidInput(`${parameter}.${error.field}`, `${parameter}: ${error.message}`);
    }
    if (!(error instanceof HotpathError)) throw error;
    throw new HotpathError(error.code, error.message.replace(/^config\.pbtxt/, parameter), error.details);
  }
}

/** Where the JSON form comes from. */
const parameter = 'parameters.config';

function read(written: WrittenConfig, folderName: string): ReadTritonConfig {
  const { name = '' } = written;
  if (name !== '' && name !== folderName) {
    throw wrongField(
      'name',
      `is "${name}", but the folder is called "${folderName}"; leave it out or make them equal.`,
    );
  }
  const kind = kindOf(written);
  const config = toDeclared(written, folderName, kind);
  const mapping: Mapping = { model: {}, notes: [] };
  if (kind === 'onnx') {
    mapScheduling(mapping, written);
    mapExecution(mapping, written);
  }
  if (kind === 'ensemble') {
    mapVersions(mapping, written);
    mapping.model.pipeline = toPipeline(config);
  }
  noteTheRest(mapping, written, config);
  return { config, model: mapping.model, notes: mapping.notes };
}

function toPipeline({ ensemble = [], inputs, outputs }: TritonModelConfig): PipelineConfig {
  const steps = ensemble.map(({ version, ...step }) => (version === undefined ? step : { ...step, version }));
  return {
    steps,
    ...(inputs.length === 0 ? {} : { inputs: inputs.map(({ name }) => name) }),
    ...(outputs.length === 0 ? {} : { outputs: outputs.map(({ name }) => name) }),
  };
}

function decode(text: string): WrittenConfig {
  try {
    return decodeDocument(parseTextFormat(text), modelConfigSchema);
  } catch (error) {
    if (!(error instanceof TextFormatError)) throw error;
    const { field = 'config.pbtxt', line, column } = error;
    throw new HotpathError('INVALID_INPUT', `config.pbtxt, ${error.message}`, { field, line, column });
  }
}

/** @throws UNSUPPORTED naming what would be needed. */
function kindOf({ platform = '', backend = '', ensemble_scheduling: ensemble }: WrittenConfig): 'onnx' | 'ensemble' {
  if (platform === 'ensemble') {
    if (backend !== '') throw wrongField('backend', `is "${backend}"; an ensemble has none.`);
    if (ensemble === undefined) throw wrongField('ensemble_scheduling', 'is missing; the platform is "ensemble".');
    return 'ensemble';
  }
  if (!['', 'onnxruntime_onnx'].includes(platform)) throw unsupported('platform', platform);
  if (!['', 'onnxruntime'].includes(backend)) throw unsupported('backend', backend);
  if (ensemble === undefined) return 'onnx';
  if (platform === '' && backend === '') return 'ensemble';
  throw wrongField('ensemble_scheduling', 'needs the platform "ensemble".');
}

function unsupported(field: 'platform' | 'backend', value: string): HotpathError {
  const wanted = field === 'platform' ? 'onnxruntime_onnx' : 'onnxruntime';
  const message = `config.pbtxt: the ${field} ${JSON.stringify(value.slice(0, 64))} is not supported; this server runs ONNX models (${field}: "${wanted}").`;
  return new HotpathError('UNSUPPORTED', message, { field, expected: wanted, received: value });
}

/** Fields without a meaning here; `rest` of each sentence. */
const idle = {
  runtime: 'has no effect: the runtime is the server’s own.',
  batch_input: 'has no effect: batches get no extra inputs.',
  batch_output: 'has no effect: batches have no extra outputs.',
  cc_model_filenames: 'has no effect: one file serves every device.',
  metric_tags: 'has no effect: metrics carry the labels of the server.',
  model_metrics: 'has no effect: histograms have the buckets of the server.',
  model_operations: 'has no effect: no libraries of operators are loaded.',
  model_repository_agents: 'has no effect: there are no repository agents.',
} as const satisfies Partial<Record<keyof WrittenConfig, string>>;

function noteTheRest(mapping: Mapping, written: WrittenConfig, config: TritonModelConfig): void {
  for (const [field, rest] of Object.entries(idle)) if (Object.hasOwn(written, field)) note(mapping, field, rest);
  for (const field of ['input', 'output'] as const) {
    for (const [index, tensor] of (written[field] ?? []).entries()) noteTensor(mapping, `${field}[${index}]`, tensor);
  }
  if (config.decoupled) {
    note(mapping, 'model_transaction_policy.decoupled', 'has no effect: ONNX models give one answer per request.');
  }
  if (config.responseCache && (config.kind === 'ensemble' || config.sequence !== undefined)) {
    const why = config.kind === 'ensemble' ? 'an ensemble: let its models cache' : 'a model with sequences';
    note(mapping, 'response_cache', `has no effect on ${why}.`);
  }
  if (config.kind === 'ensemble' && config.warmup.length > 0) {
    note(mapping, 'model_warmup', 'has no effect on an ensemble: its models are warmed up.');
  }
  if (config.kind === 'ensemble' && (written.ensemble_scheduling?.max_inflight_requests ?? 0) > 0) {
    note(
      mapping,
      'ensemble_scheduling.max_inflight_requests',
      'has no effect: the queues of the models are the limit.',
    );
  }
  if (config.kind === 'ensemble' && (written.instance_group ?? []).length > 0) {
    note(mapping, 'instance_group', 'has no effect on an ensemble: its models have instances.');
  }
}

function noteTensor(mapping: Mapping, path: string, tensor: Partial<Record<string, unknown>>): void {
  for (const field of ['is_shape_tensor', 'is_non_linear_format_io']) {
    if (tensor[field] === true) note(mapping, `${path}.${field}`, 'has no effect: it is for TensorRT.');
  }
  if (tensor.allow_ragged_batch === true) {
    note(mapping, `${path}.allow_ragged_batch`, 'has no effect: only inputs of one shape share a batch.');
  }
  if (tensor.optional === true) {
    note(mapping, `${path}.optional`, 'means that it is left out: an initializer of the model keeps its own value.');
  }
}
