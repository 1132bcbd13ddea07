/**
 * Compares what a config.pbtxt declares with what the loaded model really has: names, datatypes, shapes with the implicit batch
 * axis and the reshape. Called once per load; pure.
 */

import type { DeclaredTensor, TritonModelConfig } from '../../ports/triton-config.ts';
import type { Signature, TensorSpec } from '../tensor.ts';
import { formatShape } from '../tensor.ts';

/** A declared tensor as the model should have it. */
interface Expected extends Pick<DeclaredTensor, 'name' | 'datatype' | 'optional'> {
  readonly modelShape: readonly number[] | undefined;
}

/** Undefined: they agree. Otherwise a sentence naming the tensor, the declared and the real shape or datatype. */
export function checkDeclared(config: TritonModelConfig, signature: Signature): string | undefined {
  const inputs = [...config.inputs, ...serverFilled(config)];
  const outputs = [...config.outputs, ...stateTensors(config, 'output')];
  return (
    checkEach('input', inputs, signature.inputs, config.maxBatchSize) ??
    checkEach('output', outputs, signature.outputs, config.maxBatchSize) ??
    findUndeclared(config, inputs, signature)
  );
}

/** Inputs of the model that no client sends. A control tensor has one value per row. */
function serverFilled(config: TritonModelConfig): Expected[] {
  const controls = (config.sequence?.controls ?? []).map(({ input, datatype }) => {
    return { name: input, datatype, modelShape: undefined, optional: false };
  });
  return [...controls, ...stateTensors(config, 'input')];
}

function stateTensors({ sequence, maxBatchSize }: TritonModelConfig, side: 'input' | 'output'): Expected[] {
  return (sequence?.states ?? []).map((state) => {
    const modelShape = maxBatchSize > 0 ? [-1, ...state.dims] : state.dims;
    return { name: state[side], datatype: state.datatype, modelShape, optional: false };
  });
}

function checkEach(
  kind: 'input' | 'output',
  declared: readonly Expected[],
  real: readonly TensorSpec[],
  maxBatchSize: number,
): string | undefined {
  for (const tensor of declared) {
    const spec = real.find(({ name }) => name === tensor.name);
    if (spec === undefined) {
      // An optional input stands for an initializer, which the runtime does not list as an input.
      if (tensor.optional) continue;
      const names = real.map(({ name }) => name).join(', ');
      return `config.pbtxt declares the ${kind} "${tensor.name}", which the model does not have; it has ${names}.`;
    }
    const problem = compare(kind, tensor, spec, maxBatchSize);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function compare(kind: string, declared: Expected, real: TensorSpec, maxBatchSize: number): string | undefined {
  const { name, datatype, modelShape } = declared;
  if (datatype !== undefined && datatype !== real.datatype) {
    return `config.pbtxt declares the ${kind} "${name}" as ${datatype}, but in the model it is ${real.datatype}.`;
  }
  // A model may leave a shape open altogether, which reads as a scalar.
  if (modelShape === undefined || real.shape.length === 0) return undefined;
  if (agree(modelShape, real.shape) && (maxBatchSize === 0 || real.shape[0] === -1)) return undefined;
  const axis =
    maxBatchSize > 0
      ? `; with max_batch_size ${maxBatchSize} the first axis is the batch, and must be variable in the model`
      : '';
  return `config.pbtxt gives the ${kind} "${name}" the shape ${formatShape(modelShape)}, but in the model it is ${formatShape(real.shape)}${axis}.`;
}

function agree(declared: readonly number[], real: readonly number[]): boolean {
  if (declared.length !== real.length) return false;
  return declared.every((dim, axis) => dim === -1 || real[axis] === -1 || dim === real[axis]);
}

/** Outputs may be left out, they are then not shown; an input that nobody declares could never be sent. */
function findUndeclared(
  { inputs }: TritonModelConfig,
  known: readonly Expected[],
  signature: Signature,
): string | undefined {
  if (inputs.length === 0) return undefined;
  const missing = signature.inputs.find(({ name }) => !known.some((tensor) => tensor.name === name));
  if (missing === undefined) return undefined;
  const { name, datatype, shape } = missing;
  return `config.pbtxt does not declare the model’s input "${name}", ${datatype} ${formatShape(shape)}.`;
}
