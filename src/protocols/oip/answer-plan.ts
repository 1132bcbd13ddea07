/**
 * What a request wants of its answer: which outputs, in which order, as JSON or binary, as classes or whole. Worked out before
 * the model runs, so that what cannot be answered is refused before it costs a run.
 */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { ModelView } from '../../core/types.ts';
import { listNames, quote } from '../codecs/value-text.ts';
import { expectedAt, outputField } from './field-errors.ts';
import { readCount, readFlag } from './parameters.ts';
import type { OipOutputRequest, OipParameters, OipRequest } from './request.ts';

export interface OutputPlan {
  readonly name: string;
  /** As bytes behind the JSON; gRPC always answers in bytes and does not look. */
  readonly binary: boolean;
  /** Above 0: the so many best classes as strings instead of the tensor. */
  readonly classes: number;
}

export interface AnswerPlan {
  /** Echoed. */
  readonly id: string | undefined;
  /** For outputs that are not named. */
  readonly binary: boolean;
  /** In the order of the request; undefined: all, in the signature's. */
  readonly outputs: readonly OutputPlan[] | undefined;
}

/** Sorting and writing out more would hold up the event loop, and nobody reads them. */
const maxClasses = 10_000;

/** @throws INVALID_INPUT on a wrong parameter or an output named twice, UNSUPPORTED for shared memory. */
export function planAnswer(request: OipRequest, maxOutputs: number): AnswerPlan {
  const { id, parameters, outputs } = request;
  const binary = readFlag('parameters.binary_data_output', parameters?.binary_data_output, false);
  if (outputs === undefined) return { id, binary, outputs: undefined };
  if (outputs.length > maxOutputs) throw expectedAt('outputs', `at most ${maxOutputs} outputs`, String(outputs.length));
  const seen = new Set<string>();
  const plans = outputs.map((output) => {
    if (seen.has(output.name)) throw expectedAt(outputField(output.name), 'each output once', 'it twice');
    seen.add(output.name);
    return planOutput(output, binary);
  });
  return { id, binary, outputs: plans };
}

/** Names for the core; undefined: all. */
export function plannedNames({ outputs }: AnswerPlan): readonly string[] | undefined {
  return outputs?.map((output) => output.name);
}

/** @throws INVALID_INPUT on an unknown output, or classes of an output that has none. */
export function checkPlan(plan: AnswerPlan, model: ModelView): void {
  if (plan.outputs === undefined) return;
  const specs = model.signature.outputs;
  for (const { name, classes } of plan.outputs) {
    const spec = specs.find((output) => output.name === name);
    if (spec === undefined) throw unknownOutput(name, model);
    if (classes > 0 && (spec.datatype === 'string' || spec.datatype === 'bool')) {
      throw expectedAt(`${outputField(name)}.parameters.classification`, 'a numeric output', spec.datatype);
    }
  }
}

/** REST only: FP16 has no JSON form, neither in the protocol nor in Triton. @throws INVALID_INPUT asking for binary data. */
export function checkJsonForm(plan: AnswerPlan, model: ModelView): void {
  for (const { name, datatype } of model.signature.outputs) {
    if (datatype !== 'float16') continue;
    const wanted = plan.outputs === undefined ? plan : plan.outputs.find((output) => output.name === name);
    if (wanted === undefined || wanted.binary || ('classes' in wanted && wanted.classes > 0)) continue;
    throw invalidInput(
      outputField(name),
      `${outputField(name)}: FP16 has no JSON form; ask for it with the output's parameter binary_data or the request's binary_data_output`,
      'binary data',
    );
  }
}

function planOutput({ name, parameters }: OipOutputRequest, binaryByDefault: boolean): OutputPlan {
  if (parameters === undefined) return { name, binary: binaryByDefault, classes: 0 };
  const field = `${outputField(name)}.parameters`;
  refuseSharedMemory(field, parameters);
  const binary = readFlag(`${field}.binary_data`, parameters.binary_data, binaryByDefault);
  const classes = parameters.classification === undefined ? 0 : readClasses(field, parameters.classification);
  return { name, binary, classes };
}

/** @throws UNSUPPORTED when an input or output names a shared memory region. */
export function refuseSharedMemory(field: string, parameters: OipParameters): void {
  if (parameters.shared_memory_region === undefined) return;
  throw new HotpathError('UNSUPPORTED', `${field}.shared_memory_region: this server shares no memory with clients.`, {
    field: `${field}.shared_memory_region`,
  });
}

function readClasses(field: string, value: OipParameters[string]): number {
  const classes = readCount(`${field}.classification`, value);
  if (classes <= maxClasses) return classes;
  throw expectedAt(`${field}.classification`, `at most ${maxClasses} classes`, String(classes));
}

function unknownOutput(name: string, { signature }: ModelView): HotpathError {
  const known = listNames(signature.outputs.map((spec) => spec.name));
  const what = signature.skippedOutputs.includes(name) ? 'is no tensor and cannot be fetched' : 'is unknown';
  return invalidInput(
    outputField(name),
    `The output ${quote(name)} ${what}; the model has: ${known}`,
    known,
    quote(name),
  );
}
