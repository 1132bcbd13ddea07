/**
 * The steps of a pipeline as a graph: who waits for whom, and the signature that follows from the models. Made once per load by
 * load-pipeline.ts, followed per request by pipeline-runner.ts. Pure; everything that is wrong is refused here.
 */
import type { PipelineConfig, PipelineStep } from '../../ports/model-source.ts';
import { HotpathError } from '../errors.ts';
import { formatShape, type Signature, type TensorSpec } from '../tensor.ts';
import type { ModelView } from '../types.ts';

export interface PipelinePlan {
  readonly signature: Signature;
  readonly steps: readonly PlannedStep[];
  /** Steps that need nothing but inputs of the pipeline. */
  readonly first: readonly number[];
}

export interface PlannedStep extends PipelineStep {
  /** Other steps whose outputs it needs. */
  readonly needs: number;
  /** Steps that need one of its outputs. */
  readonly next: readonly number[];
}

/** @param views the model of each step. @throws MODEL_FAILED naming the step and the tensor. */
export function planPipeline(config: PipelineConfig, views: readonly ModelView[]): PipelinePlan {
  const { steps } = config;
  const producers = findProducers(steps, views);
  const waits = steps.map((step) => {
    const from = Object.values(step.inputs).map((tensor) => producers.get(tensor)?.step);
    return new Set(from.filter((producer) => producer !== undefined));
  });
  refuseCycles(steps, waits);
  const inputs = inferInputs(config, views, producers);
  const planned = steps.map((step, index) => {
    const next = steps.flatMap((_, other) => (waits[other]!.has(index) ? [other] : []));
    return { ...step, needs: waits[index]!.size, next };
  });
  return {
    signature: { inputs, outputs: inferOutputs(config, producers), skippedOutputs: [] },
    steps: planned,
    first: planned.flatMap(({ needs }, index) => (needs === 0 ? [index] : [])),
  };
}

interface Producer {
  readonly step: number;
  readonly spec: TensorSpec;
}

/** Tensor of the pipeline -> where it comes from. */
function findProducers(steps: readonly PipelineStep[], views: readonly ModelView[]): Map<string, Producer> {
  const producers = new Map<string, Producer>();
  for (const [step, { outputs, inputs }] of steps.entries()) {
    const { signature } = views[step]!;
    for (const [name, tensor] of Object.entries(outputs)) {
      const spec = signature.outputs.find((output) => output.name === name);
      if (spec === undefined)
        throw wrongStep(steps, step, `has no output "${name}"; it has ${listOf(signature.outputs)}.`);
      const other = producers.get(tensor);
      if (other !== undefined) {
        throw wrongStep(steps, step, `makes the tensor "${tensor}", which step ${other.step + 1} makes too.`);
      }
      producers.set(tensor, { step, spec });
    }
    for (const name of Object.keys(inputs)) {
      if (signature.inputs.some((input) => input.name === name)) continue;
      throw wrongStep(steps, step, `has no input "${name}"; it has ${listOf(signature.inputs)}.`);
    }
    const unmapped = signature.inputs.find(({ name }) => !Object.hasOwn(inputs, name));
    if (unmapped !== undefined) throw wrongStep(steps, step, `gets nothing for its input "${unmapped.name}".`);
  }
  return producers;
}

/** Removes steps whose needs are met until none is left; what cannot be removed waits for itself. */
function refuseCycles(steps: readonly PipelineStep[], waits: readonly ReadonlySet<number>[]): void {
  const left = new Set(steps.keys());
  for (let removed = true; removed; ) {
    removed = false;
    for (const step of left) {
      if ([...waits[step]!].some((other) => left.has(other))) continue;
      left.delete(step);
      removed = true;
    }
  }
  if (left.size === 0) return;
  const names = [...left].map((step) => `${step + 1} ("${steps[step]!.model}")`).join(', ');
  throw failed(`The steps of the pipeline wait for each other in a circle: ${names}.`);
}

/** Tensors that no step makes, in the order of `config.inputs` or of their first use. */
function inferInputs(
  config: PipelineConfig,
  views: readonly ModelView[],
  producers: ReadonlyMap<string, Producer>,
): TensorSpec[] {
  const specs = new Map<string, TensorSpec>();
  for (const [step, { inputs }] of config.steps.entries()) {
    for (const [name, tensor] of Object.entries(inputs)) {
      const wanted = views[step]!.signature.inputs.find((input) => input.name === name)!;
      const given = producers.get(tensor)?.spec ?? specs.get(tensor);
      const say = (rest: string) => wrongStep(config.steps, step, `input "${name}" ${rest}`);
      if (given === undefined && config.inputs?.includes(tensor) === false) {
        throw say(`is to be the tensor "${tensor}", which is no input of the pipeline and no output of a step.`);
      }
      const spec = given === undefined ? { ...wanted, name: tensor } : unify(tensor, given, wanted, say);
      if (!producers.has(tensor)) specs.set(tensor, spec);
    }
  }
  if (config.inputs === undefined) return [...specs.values()];
  return config.inputs.map((name) => {
    const spec = specs.get(name);
    if (spec !== undefined) return spec;
    throw failed(`The pipeline’s input "${name}" ${producers.has(name) ? 'is made by a step' : 'is used by no step'}.`);
  });
}

/** The tensor as both sides can have it. */
function unify(tensor: string, given: TensorSpec, wanted: TensorSpec, say: (rest: string) => HotpathError): TensorSpec {
  const is = `is ${wanted.datatype} ${formatShape(wanted.shape)}, but the tensor "${tensor}" is ${given.datatype} ${formatShape(given.shape)}.`;
  if (given.datatype !== wanted.datatype) throw say(is);
  // An empty shape also stands for an unknown one; the run tells.
  if (given.shape.length === 0 || wanted.shape.length === 0) return { ...given, name: tensor };
  if (given.shape.length !== wanted.shape.length) throw say(is);
  const shape = given.shape.map((dim, axis) => {
    const other = wanted.shape[axis]!;
    if (dim !== -1 && other !== -1 && dim !== other) throw say(is);
    return dim === -1 ? other : dim;
  });
  return { name: tensor, datatype: given.datatype, shape };
}

/** Those named, or all that no step takes. */
function inferOutputs({ steps, outputs }: PipelineConfig, producers: ReadonlyMap<string, Producer>): TensorSpec[] {
  const taken = new Set(steps.flatMap((step) => Object.values(step.inputs)));
  const names = outputs ?? [...producers.keys()].filter((tensor) => !taken.has(tensor));
  return names.map((name) => {
    const producer = producers.get(name);
    if (producer !== undefined) return { ...producer.spec, name };
    throw failed(`The pipeline’s output "${name}" is made by no step; they make ${[...producers.keys()].join(', ')}.`);
  });
}

function listOf(specs: readonly TensorSpec[]): string {
  return specs.map(({ name }) => name).join(', ');
}

function wrongStep(steps: readonly PipelineStep[], step: number, rest: string): HotpathError {
  return failed(`Step ${step + 1} of the pipeline, "${steps[step]!.model}", ${rest}`);
}

function failed(reason: string): HotpathError {
  return new HotpathError('MODEL_FAILED', reason);
}
