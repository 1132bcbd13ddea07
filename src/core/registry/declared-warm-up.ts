/**
 * The requests of `model_warmup`: each is run `count` times on every instance before the model is ready. Called by load-version.ts
 * after the server's own sweep. A run that fails is a note, as a model may refuse zeros and still be good; a request that does not
 * fit the model fails the load.
 */
import type { EngineModel } from '../../ports/engine.ts';
import type { ModelSource } from '../../ports/model-source.ts';
import type { DeclaredWarmup, WarmupInput } from '../../ports/triton-config.ts';
import { rawTensor } from '../declared/raw-tensor.ts';
import { HotpathError, toHotpathError } from '../errors.ts';
import type { Declared } from '../runner.ts';
import { seededRandom } from '../seeded-random.ts';
import type { SequencePlan } from '../sequences/sequence-plan.ts';
import { allocate, elementCount, fitsPattern, formatShape, type Tensor, type TensorSpec } from '../tensor.ts';
import { reasonOf } from './failures.ts';

export interface DeclaredWarmUpOptions {
  readonly source: ModelSource;
  readonly model: string;
  readonly warmups: readonly DeclaredWarmup[];
  readonly engineModel: EngineModel;
  readonly declared: Declared;
  /** True when the first axis is the batch. */
  readonly batched: boolean;
}

/** @returns notes. @throws MODEL_FAILED, ENGINE_CRASHED. */
export async function runDeclaredWarmUps(options: DeclaredWarmUpOptions): Promise<string[]> {
  const notes: string[] = [];
  for (const warmup of options.warmups) {
    const inputs = await makeInputs(options, warmup);
    try {
      await runEverywhere(options.engineModel, inputs, warmup.count);
    } catch (error) {
      if (toHotpathError(error).code === 'ENGINE_CRASHED') throw error;
      notes.push(`The warm-up request "${warmup.name}" failed: ${reasonOf(error)}`);
    }
  }
  return notes;
}

async function runEverywhere({ instances }: EngineModel, inputs: readonly Tensor[], count: number): Promise<void> {
  for (let run = 0; run < count; run++) {
    // Running gives the buffers away.
    await Promise.all(instances.map((instance) => instance.run(inputs.map(copyOf))));
  }
}

/** In the model's order; what the server fills for clients it fills here. */
async function makeInputs(options: DeclaredWarmUpOptions, warmup: DeclaredWarmup): Promise<Tensor[]> {
  const { engineModel, declared } = options;
  const specs = engineModel.signature.inputs;
  const unknown = warmup.inputs.find(({ name }) => !specs.some((spec) => spec.name === name));
  if (unknown !== undefined) throw wrong(warmup, `names the input "${unknown.name}", which the model does not have`);
  const tensors: Tensor[] = [];
  for (const [index, spec] of specs.entries()) {
    const given = warmup.inputs.find(({ name }) => name === spec.name);
    const filled = declared.sequences === undefined ? undefined : serverFilled(declared.sequences, index);
    const tensor = given === undefined ? filled : await makeInput(options, warmup, given, spec);
    if (tensor === undefined) throw wrong(warmup, `has nothing for the input "${spec.name}"`);
    tensors.push(tensor);
  }
  return tensors;
}

async function makeInput(
  { source, model, batched }: DeclaredWarmUpOptions,
  warmup: DeclaredWarmup,
  { name, datatype, dims, data, file }: WarmupInput,
  spec: TensorSpec,
): Promise<Tensor> {
  const own = dims.map((dim) => (dim === -1 ? 1 : dim));
  const shape = batched ? [Math.max(1, warmup.batchSize), ...own] : own;
  if (datatype !== spec.datatype || (spec.shape.length > 0 && !fitsPattern(shape, spec.shape))) {
    const wanted = `${spec.datatype} ${formatShape(spec.shape)}`;
    throw wrong(warmup, `gives the input "${name}" as ${datatype} ${formatShape(shape)}; the model takes ${wanted}`);
  }
  if (data === 'file') {
    const bytes = await source.readFile(model, `warmup/${file}`);
    return rawTensor(datatype, shape, bytes, `The warm-up file "${file}" of the input "${name}"`);
  }
  const made = allocate(datatype, elementCount(shape));
  if (data === 'random') fillRandom(made);
  return { datatype, shape, data: made };
}

/** The same values at every load. */
function fillRandom(data: Tensor['data']): void {
  const random = seededRandom(1);
  const float = data instanceof Float32Array || data instanceof Float64Array;
  for (let index = 0; index < data.length; index++) {
    if (Array.isArray(data)) data[index] = random().toString(36).slice(2);
    else if (data instanceof BigInt64Array || data instanceof BigUint64Array) data[index] = random() < 0.5 ? 0n : 1n;
    else data[index] = float ? random() : Math.floor(random() * 2);
  }
}

/** A first request: start and ready are set, states are initial. */
function serverFilled({ flags, id, states }: SequencePlan, input: number): Tensor | undefined {
  const flag = flags.find((each) => each.input === input);
  if (flag !== undefined) return flag.kind === 'end' ? flag.no : flag.yes;
  if (id?.input === input) return { datatype: id.datatype, shape: id.shape, data: allocate(id.datatype, 1) };
  return states.find((state) => state.input === input)?.initial;
}

function copyOf({ datatype, shape, data }: Tensor): Tensor {
  return { datatype, shape, data: data.slice() as Tensor['data'] };
}

function wrong({ name }: DeclaredWarmup, rest: string): HotpathError {
  return new HotpathError('MODEL_FAILED', `config.pbtxt: the warm-up request "${name}" ${rest}.`);
}
