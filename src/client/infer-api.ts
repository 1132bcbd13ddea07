/**
 * `infer` as both clients offer it, typed by the models. Types, and the step from typed tensors to those of the wire, which is the
 * same over REST and gRPC.
 */
import type { Priority } from '../core/types.ts';
import type { CallOptions } from './http-exchange.ts';
import type { AnyInferResult } from './infer-answer.ts';
import type { InferCall, ParameterValue } from './infer-request.ts';
import type { InputsOf, ModelMap, ModelName, OutputName, OutputsOf } from './model-types.ts';
import { type LooseInput, toWireInput } from './tensors.ts';

export interface InferOptions<Wanted extends string = string> extends CallOptions {
  /** A version number or a label. @default the newest */
  readonly version?: string;
  /** Outputs to be answered. @default all */
  readonly outputs?: readonly Wanted[];
  /** Echoed in the answer. */
  readonly id?: string;
  /** 0 is the most important. @default 0 */
  readonly priority?: Priority;
  /** Parameters of the request, such as `sequence_id`. */
  readonly parameters?: Readonly<Record<string, ParameterValue>>;
}

export interface InferResult<Outputs> {
  readonly model: string;
  readonly version: string | undefined;
  readonly id: string | undefined;
  readonly outputs: Outputs;
}

/** @throws HotpathClientError. */
export type Infer<Models extends ModelMap<Models>> = <
  Name extends ModelName<Models>,
  Wanted extends OutputName<Models, Name> = OutputName<Models, Name>,
>(
  model: Name,
  inputs: InputsOf<Models, Name>,
  options?: InferOptions<Wanted>,
) => Promise<InferResult<OutputsOf<Models, Name, Wanted>>>;

/** The same without its types. */
export type AnyInfer = (
  model: string,
  inputs: Readonly<Record<string, LooseInput>>,
  options?: InferOptions,
) => Promise<AnyInferResult>;

/** @throws INVALID_INPUT naming the input. */
export function inferCallOf(inputs: Readonly<Record<string, LooseInput>>, options: InferOptions): InferCall {
  const { outputs, id, priority, parameters } = options;
  return {
    inputs: Object.entries(inputs).map(([name, input]) => toWireInput(name, input)),
    outputs,
    id,
    priority,
    parameters,
  };
}

/** A step of a sequence changes the state of the model: sent twice, it would count twice. */
export function isRepeatable({ parameters }: InferCall): boolean {
  const id = parameters?.sequence_id;
  return id === undefined || id === 0 || id === '';
}
