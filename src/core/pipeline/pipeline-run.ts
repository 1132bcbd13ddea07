/**
 * One request on its way through a pipeline. The first error ends it: the other steps are cancelled and the error says which step
 * it came from. Used by pipeline-runner.ts only.
 */
import type { SubmitOptions } from '../batching/batcher.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import { HotpathError, invalidInput, toHotpathError } from '../errors.ts';
import { fitsPattern, formatShape, type Tensor } from '../tensor.ts';
import { CancelToken, type InferResponse, type InferTiming, type ModelView } from '../types.ts';
import type { PlannedStep } from './pipeline-plan.ts';
import type { PipelineRunnerOptions } from './pipeline-runner.ts';

/** Time spent in the steps that lie one behind the other before a moment. */
type Elapsed = Pick<InferTiming, 'queueMs' | 'batchMs' | 'inferMs'>;

const nothingYet: Elapsed = { queueMs: 0, batchMs: 0, inferMs: 0 };

export class PipelineRun {
  readonly #pipeline: PipelineRunnerOptions;
  readonly #options: SubmitOptions;
  readonly #tensors = new Map<string, Tensor>();
  /** For each step, how many it still waits for. */
  readonly #missing: number[];
  readonly #running = new Set<CancelToken>();
  readonly #outcome = Promise.withResolvers<BatchAnswer>();
  #unfinished: number;
  #over = false;

  constructor(pipeline: PipelineRunnerOptions, inputs: readonly Tensor[], options: SubmitOptions) {
    this.#pipeline = pipeline;
    this.#options = options;
    const { signature, steps } = pipeline.plan;
    for (const [index, { name }] of signature.inputs.entries()) this.#tensors.set(name, inputs[index]!);
    this.#missing = steps.map(({ needs }) => needs);
    this.#unfinished = steps.length;
  }

  /** @throws what a step throws, naming its model; CANCELLED. */
  async answer(): Promise<BatchAnswer> {
    const { cancel } = this.#options;
    if (cancel !== undefined) {
      cancel.onCancel = () => this.#end(new HotpathError('CANCELLED', 'The client left.'));
      if (cancel.cancelled) cancel.onCancel();
    }
    for (const step of this.#pipeline.plan.first) void this.#start(step, nothingYet);
    try {
      return await this.#outcome.promise;
    } finally {
      if (cancel !== undefined) cancel.onCancel = undefined;
    }
  }

  async #start(index: number, before: Elapsed): Promise<void> {
    if (this.#over) return;
    const step = this.#pipeline.plan.steps[index]!;
    const cancel = new CancelToken();
    this.#running.add(cancel);
    try {
      const response = await this.#infer(step, cancel);
      if (!this.#over) this.#finish(step, response, before);
    } catch (error) {
      this.#end(named(step, this.#pipeline.model, toHotpathError(error)));
    } finally {
      this.#running.delete(cancel);
    }
  }

  #infer(step: PlannedStep, cancel: CancelToken): Promise<InferResponse> {
    const { clock, sloMs, infer } = this.#pipeline;
    const { arrivalMs, priority, solo, sequence, timeoutMs = sloMs } = this.#options;
    const leftMs = timeoutMs === undefined ? undefined : arrivalMs + timeoutMs - clock.now();
    if (leftMs !== undefined && leftMs <= 0)
      throw new HotpathError('DEADLINE_EXCEEDED', 'The deadline passed before the step could begin.');
    return infer({
      model: step.model,
      version: step.version,
      decode: (view) => this.#inputsOf(step, view),
      outputs: Object.keys(step.outputs),
      priority,
      timeoutMs: leftMs,
      batching: solo ? 'off' : undefined,
      sequence,
      cancel,
    });
  }

  /** Checked, because what one model answers need not be what the next takes, and a queue joins rows without looking. */
  #inputsOf({ inputs }: PlannedStep, { signature }: ModelView): Tensor[] {
    return signature.inputs.map(({ name, datatype, shape }) => {
      const tensorName = inputs[name] ?? '';
      const tensor = this.#tensors.get(tensorName);
      if (tensor !== undefined && tensor.datatype === datatype && fitsPattern(tensor.shape, shape)) return tensor;
      const expected = `${datatype} ${formatShape(shape)}`;
      const received = tensor === undefined ? 'nothing' : `${tensor.datatype} ${formatShape(tensor.shape)}`;
      throw invalidInput(
        tensorName,
        `the input "${name}" must be ${expected}; the tensor "${tensorName}" is ${received}.`,
        expected,
        received,
      );
    });
  }

  #finish(step: PlannedStep, { outputs, timing }: InferResponse, before: Elapsed): void {
    for (const tensor of outputs) this.#tensors.set(step.outputs[tensor.name]!, tensor);
    const elapsed: Elapsed = {
      queueMs: before.queueMs + timing.queueMs,
      batchMs: before.batchMs + timing.batchMs + timing.decodeMs,
      inferMs: before.inferMs + timing.inferMs,
    };
    if (--this.#unfinished === 0) this.#succeed(elapsed, timing);
    for (const next of step.next) if (--this.#missing[next]! === 0) void this.#start(next, elapsed);
  }

  #succeed(elapsed: Elapsed, { batchRows, release }: InferTiming): void {
    this.#over = true;
    const outputs = this.#pipeline.plan.signature.outputs.map(({ name }) => this.#tensors.get(name)!);
    this.#outcome.resolve({ outputs, ...elapsed, batchRows, release });
  }

  #end(error: HotpathError): void {
    if (this.#over) return;
    this.#over = true;
    for (const token of this.#running) token.cancel();
    this.#outcome.reject(error);
  }
}

/** The same error, which says where it came from. */
function named({ model }: PlannedStep, pipeline: ModelView, error: HotpathError): HotpathError {
  const message = `Step "${model}" of "${pipeline.name}": ${error.message}`;
  return new HotpathError(error.code, message, error.details, { cause: error });
}
