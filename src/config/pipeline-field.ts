/** The `pipeline` of model.json: which models it runs and how tensors go between them. Used by the table in model-config.ts only. */
import type { PipelineConfig, PipelineStep } from '../ports/model-source.ts';
import { invalid, isObject, type Kind, listOf, text } from './model-config-fields.ts';

/** Model's tensor -> pipeline's tensor. */
const tensorMap: Kind<Readonly<Record<string, string>>> = {
  type: 'object of names',
  check: (value) => {
    if (!isObject(value)) return invalid;
    const entries = Object.entries(value);
    const named = entries.every(([name, tensor]) => name !== '' && typeof tensor === 'string' && tensor !== '');
    return named && entries.length > 0 ? ({ ...value } as Record<string, string>) : invalid;
  },
};

const step: Kind<PipelineStep> = {
  type: 'step',
  check: (value) => {
    if (!isObject(value)) return invalid;
    const { model, version, inputs, outputs, ...rest } = value;
    const taken = tensorMap.check(inputs);
    const given = tensorMap.check(outputs);
    if (typeof model !== 'string' || model === '' || taken === invalid || given === invalid) return invalid;
    if (Object.keys(rest).length > 0 || !['undefined', 'string', 'number'].includes(typeof version)) return invalid;
    const wanted = version === undefined ? {} : { version: String(version) };
    return { model, ...wanted, inputs: taken, outputs: given };
  },
};

const steps = listOf(step, 'list of steps', 1, 256);
const names = listOf(text, 'list of names', 1, 4096);

export const pipeline: Kind<PipelineConfig> = {
  type: 'object with steps: [{model, version?, inputs: {input: tensor}, outputs: {output: tensor}}], inputs?: [names], outputs?: [names]',
  check: (value) => {
    if (!isObject(value)) return invalid;
    const { steps: written, inputs, outputs, ...rest } = value;
    const checked = steps.check(written);
    const taken = inputs === undefined ? undefined : names.check(inputs);
    const given = outputs === undefined ? undefined : names.check(outputs);
    if (checked === invalid || taken === invalid || given === invalid || Object.keys(rest).length > 0) return invalid;
    return {
      steps: checked,
      ...(taken === undefined ? {} : { inputs: taken }),
      ...(given === undefined ? {} : { outputs: given }),
    };
  },
};
