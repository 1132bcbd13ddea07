/**
 * What a config.pbtxt declares and ModelConfig cannot hold: tensors, sequences, ensembles, warm-up requests. Called by
 * to-model-config.ts with the decoded file; it refuses what contradicts itself.
 */
import type { DeclaredPriorities, DeclaredWarmup, EnsembleStep, TritonModelConfig } from '../../ports/triton-config.ts';
import { wrongField } from './config-problem.ts';
import type { WrittenConfig } from './model-config-schema.ts';
import { toSequence } from './to-sequence.ts';
import { checkDims, checkFileName, toDatatype, toTensors } from './to-tensors.ts';

/** @throws INVALID_INPUT naming the field. */
export function toDeclared(written: WrittenConfig, name: string, kind: 'onnx' | 'ensemble'): TritonModelConfig {
  const { max_batch_size: maxBatchSize = 0, default_model_filename: modelFile = '', response_cache: cache } = written;
  if (maxBatchSize < 0) throw wrongField('max_batch_size', `is ${maxBatchSize}; it must not be negative.`);
  checkFileName('default_model_filename', modelFile);
  const { sequence_batching: sequence, model_transaction_policy: policy, parameters = {} } = written;
  const priorities = toPriorities(written);
  return {
    name,
    kind,
    maxBatchSize,
    inputs: toTensors('input', written.input ?? [], maxBatchSize > 0),
    outputs: toTensors('output', written.output ?? [], maxBatchSize > 0),
    modelFile: modelFile === '' ? 'model.onnx' : modelFile,
    ...(priorities === undefined ? {} : { priorities }),
    ...(sequence === undefined ? {} : { sequence: toSequence(sequence) }),
    ...(kind === 'ensemble' ? { ensemble: toSteps(written) } : {}),
    warmup: (written.model_warmup ?? []).map(toWarmup),
    responseCache: cache?.enable ?? false,
    decoupled: policy?.decoupled ?? false,
    parameters: Object.fromEntries(Object.entries(parameters).map(([key, value]) => [key, value.string_value ?? ''])),
    written,
  };
}

function toPriorities({ dynamic_batching: batching }: WrittenConfig): DeclaredPriorities | undefined {
  const { priority_levels: levels = 0, default_priority_level: defaultLevel = 0 } = batching ?? {};
  if (levels === 0) return undefined;
  if (defaultLevel >= 1 && defaultLevel <= levels) return { levels, defaultLevel };
  throw wrongField('dynamic_batching.default_priority_level', `is ${defaultLevel}; it must be from 1 to ${levels}.`);
}

function toSteps({ ensemble_scheduling: scheduling }: WrittenConfig): EnsembleStep[] {
  const steps = scheduling?.step ?? [];
  if (steps.length === 0)
    throw wrongField('ensemble_scheduling.step', 'is missing; an ensemble has at least one step.');
  return steps.map((step, index) => {
    const path = `ensemble_scheduling.step[${index}]`;
    const {
      model_name: model = '',
      model_version: version = -1,
      input_map: inputs = {},
      output_map: outputs = {},
    } = step;
    if (model === '') throw wrongField(`${path}.model_name`, 'is missing.');
    if (Object.keys(inputs).length === 0) throw wrongField(`${path}.input_map`, `is missing for the model "${model}".`);
    if (Object.keys(outputs).length === 0)
      throw wrongField(`${path}.output_map`, `is missing for the model "${model}".`);
    if (version !== -1 && version < 1)
      throw wrongField(`${path}.model_version`, 'must be at least 1, or -1 for the newest.');
    return { model, version: version === -1 ? undefined : String(version), inputs, outputs };
  });
}

function toWarmup(written: NonNullable<WrittenConfig['model_warmup']>[number], index: number): DeclaredWarmup {
  const { name = '', batch_size: batchSize = 0, count = 0, inputs = {} } = written;
  return {
    name,
    batchSize,
    count: count === 0 ? 1 : count,
    inputs: Object.entries(inputs).map(([input, { data_type, dims = [], random_data, input_data_file: file }]) => {
      const path = `model_warmup[${index}].inputs["${input}"]`;
      const datatype = toDatatype(`${path}.data_type`, data_type);
      if (datatype === undefined) throw wrongField(`${path}.data_type`, 'is missing.');
      checkDims(`${path}.dims`, dims);
      if (file === undefined) return { name: input, datatype, dims, data: random_data === true ? 'random' : 'zero' };
      checkFileName(`${path}.input_data_file`, file);
      return { name: input, datatype, dims, data: 'file', file };
    }),
  };
}
