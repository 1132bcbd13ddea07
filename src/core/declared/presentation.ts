/**
 * The signature that clients see of a model with a `config.pbtxt`, and the way between it and the model's own: order, hidden
 * tensors, reshapes. Made once per load by load-version.ts; applied per request by presented-runner.ts and the sequences.
 */
import type { DeclaredTensor, TritonModelConfig } from '../../ports/triton-config.ts';
import type { Signature, Tensor, TensorSpec } from '../tensor.ts';

/** Whole shapes, batch axis included; variable dimensions of one stand for those of the other, in order. */
export interface Reshape {
  readonly from: readonly number[];
  readonly to: readonly number[];
}

export interface Route {
  /** Index on the side it comes from; -1: the server makes the tensor. */
  readonly source: number;
  readonly reshape: Reshape | undefined;
}

export interface Presentation {
  /** What clients see. */
  readonly signature: Signature;
  /** For each input of the model, where it comes from in `signature.inputs`. */
  readonly inputs: readonly Route[];
  /** For each output in `signature.outputs`, where it comes from in the model. */
  readonly outputs: readonly Route[];
  /** True when both sides have the same tensors in the same order: nothing to do per request. */
  readonly plain: boolean;
}

/** @param real the model’s own signature, which `triton` was checked against */
export function present(triton: TritonModelConfig, real: Signature): Presentation {
  const inputs = visible(real.inputs, triton.inputs, hiddenInputs(triton));
  const outputs = visible(real.outputs, triton.outputs, hiddenOutputs(triton));
  const signature: Signature = {
    inputs: inputs.map(({ spec }) => spec),
    outputs: outputs.map(({ spec }) => spec),
    skippedOutputs: real.skippedOutputs,
  };
  const inputRoutes = real.inputs.map(({ name }) => {
    const source = inputs.findIndex(({ spec }) => spec.name === name);
    return { source, reshape: reshapeOf(inputs[source]?.declared, 'in') };
  });
  const outputRoutes = outputs.map(({ spec, declared }) => {
    const source = real.outputs.findIndex(({ name }) => name === spec.name);
    return { source, reshape: reshapeOf(declared, 'out') };
  });
  const plain = isIdentity(inputRoutes, inputs.length) && isIdentity(outputRoutes, real.outputs.length);
  return { signature, inputs: inputRoutes, outputs: outputRoutes, plain };
}

/** The tensor as the other side wants it; its data is shared, not copied. */
export function reshapeTensor<T extends Tensor>(tensor: T, reshape: Reshape | undefined): T {
  if (reshape === undefined) return tensor;
  return { ...tensor, shape: reshapeShape(tensor.shape, reshape) };
}

function reshapeShape(shape: readonly number[], { from, to }: Reshape): readonly number[] {
  // A model whose outputs have no declared rank may answer with any.
  if (shape.length !== from.length) return shape;
  const sizes = shape.filter((_, axis) => from[axis] === -1);
  let next = 0;
  return to.map((dim) => (dim === -1 ? sizes[next++]! : dim));
}

interface Visible {
  readonly spec: TensorSpec;
  readonly declared: DeclaredTensor | undefined;
}

/** As declared, in that order; without a declaration all that are not hidden. */
function visible(
  real: readonly TensorSpec[],
  declared: readonly DeclaredTensor[],
  hidden: ReadonlySet<string>,
): Visible[] {
  if (declared.length === 0) {
    return real.filter(({ name }) => !hidden.has(name)).map((spec) => ({ spec, declared: undefined }));
  }
  return declared.flatMap((tensor) => {
    const spec = real.find(({ name }) => name === tensor.name);
    // An optional input that stands for an initializer is none to the runtime.
    return spec === undefined ? [] : [{ spec: { ...spec, shape: visibleShape(tensor, spec) }, declared: tensor }];
  });
}

/** The narrower of both: what the file leaves variable and the model does not is no choice of the client’s. */
function visibleShape({ clientShape, reshape }: DeclaredTensor, { shape }: TensorSpec): readonly number[] {
  if (clientShape === undefined) return shape;
  if (reshape !== undefined || clientShape.length !== shape.length) return clientShape;
  return clientShape.map((dim, axis) => (dim === -1 ? shape[axis]! : dim));
}

function reshapeOf(declared: DeclaredTensor | undefined, way: 'in' | 'out'): Reshape | undefined {
  if (declared?.reshape === undefined) return undefined;
  const { clientShape, modelShape } = declared;
  if (clientShape === undefined || modelShape === undefined) return undefined;
  return way === 'in' ? { from: clientShape, to: modelShape } : { from: modelShape, to: clientShape };
}

/** Inputs that the server fills. */
function hiddenInputs({ sequence }: TritonModelConfig): ReadonlySet<string> {
  const { controls = [], states = [] } = sequence ?? {};
  return new Set([...controls.map(({ input }) => input), ...states.map(({ input }) => input)]);
}

function hiddenOutputs({ sequence }: TritonModelConfig): ReadonlySet<string> {
  return new Set((sequence?.states ?? []).map(({ output }) => output));
}

function isIdentity(routes: readonly Route[], count: number): boolean {
  return (
    routes.length === count && routes.every(({ source, reshape }, index) => source === index && reshape === undefined)
  );
}
