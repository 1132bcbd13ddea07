/**
 * What the server adds to each request of a stateful model: control inputs and states, resolved against the model's signature
 * once per load. Called by load-version.ts; read by sequence-runner.ts for every request. Pure.
 */
import type { DeclaredSequence, SequenceControl, SequenceState } from '../../ports/triton-config.ts';
import { rawTensor } from '../declared/raw-tensor.ts';
import { HotpathError } from '../errors.ts';
import {
  allocate,
  type Datatype,
  elementCount,
  fitsPattern,
  formatShape,
  type Signature,
  type Tensor,
  type TensorSpec,
} from '../tensor.ts';

export interface SequencePlan {
  readonly flags: readonly FlagInput[];
  /** The input that gets the sequence's id. */
  readonly id: { readonly input: number; readonly datatype: Datatype; readonly shape: readonly number[] } | undefined;
  readonly states: readonly StateTensor[];
  readonly maxSequences: number;
  readonly maxIdleMs: number;
  /** Requests must then have one row. */
  readonly batched: boolean;
}

/** The tensors are shared by all requests: whoever runs them copies. */
export interface FlagInput {
  readonly kind: 'start' | 'end' | 'ready';
  /** Index among the model's inputs. */
  readonly input: number;
  readonly no: Tensor;
  readonly yes: Tensor;
}

export interface StateTensor {
  readonly name: string;
  readonly input: number;
  readonly output: number;
  /** What the input takes. */
  readonly shape: readonly number[];
  readonly initial: Tensor;
}

/** Each live sequence costs memory, so there is a limit where the file gives none. */
const defaultMaxSequences = 16_384;

/**
 * @param files contents of the initial-state files, by name
 * @throws MODEL_FAILED when a control has another shape than one value per row, or an initial state does not fit.
 */
export function planSequences(
  declared: DeclaredSequence,
  signature: Signature,
  maxBatchSize: number,
  files: ReadonlyMap<string, Uint8Array>,
): SequencePlan {
  const batched = maxBatchSize > 0;
  const flags: FlagInput[] = [];
  let id: SequencePlan['id'];
  for (const control of declared.controls) {
    const input = indexOf(signature.inputs, control.input);
    const shape = controlShape(signature.inputs[input]!);
    if (control.kind === 'correlation-id') id = { input, datatype: control.datatype, shape };
    else flags.push({ kind: control.kind, input, ...flagValues(control, shape) });
  }
  return {
    flags,
    id,
    states: declared.states.map((state) => planState(state, signature, batched, files)),
    maxSequences: declared.maxSequences ?? defaultMaxSequences,
    maxIdleMs: declared.maxIdleMicroseconds / 1000,
    batched,
  };
}

function flagValues({ datatype, falseTrue = [0, 1] }: SequenceControl, shape: readonly number[]) {
  const [no, yes] = falseTrue.map((value) => {
    const data = allocate(datatype, 1) as Int32Array<ArrayBuffer>;
    data[0] = value;
    return { datatype, shape, data };
  });
  return { no: no!, yes: yes! };
}

/** One value per row. */
function controlShape({ name, shape }: TensorSpec): readonly number[] {
  const own = shape.map((dim) => (dim === -1 ? 1 : dim));
  if (elementCount(own) === 1) return own;
  throw failed(`The control input "${name}" has the shape ${formatShape(shape)}; it must have one value per request.`);
}

function planState(
  { input: inputName, output: outputName, datatype, dims, initialDims, initialFile }: SequenceState,
  signature: Signature,
  batched: boolean,
  files: ReadonlyMap<string, Uint8Array>,
): StateTensor {
  const input = indexOf(signature.inputs, inputName);
  const pattern = signature.inputs[input]!.shape;
  // As Triton does, what is variable begins with 1.
  const own = (initialDims ?? dims).map((dim) => (dim === -1 ? 1 : dim));
  const shape = batched ? [1, ...own] : own;
  if (!fitsPattern(shape, pattern)) {
    throw failed(
      `The initial state of "${inputName}" has the shape ${formatShape(shape)}, but the model takes ${formatShape(pattern)}.`,
    );
  }
  const initial =
    initialFile === undefined
      ? { datatype, shape, data: allocate(datatype, elementCount(shape)) }
      : rawTensor(datatype, shape, files.get(initialFile)!, `The initial state "${initialFile}" of "${inputName}"`);
  return { name: inputName, input, output: indexOf(signature.outputs, outputName), shape: pattern, initial };
}

/** The declaration was checked against the signature before. */
function indexOf(specs: readonly TensorSpec[], name: string): number {
  return specs.findIndex((spec) => spec.name === name);
}

function failed(reason: string): HotpathError {
  return new HotpathError('MODEL_FAILED', reason);
}
