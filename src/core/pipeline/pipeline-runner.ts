/**
 * Runs a pipeline: each step is a request of its own to its model, with that model's batching, started as soon as its tensors are
 * there. Tensors stay in memory and are handed on without a copy. Made by the registry through the composition root.
 */
import type { Clock } from '../../ports/clock.ts';
import type { SubmitOptions } from '../batching/batcher.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import { HotpathError } from '../errors.ts';
import type { Runner } from '../runner.ts';
import type { Tensor } from '../tensor.ts';
import type { InferCall, InferResponse, ModelView } from '../types.ts';
import type { PipelinePlan } from './pipeline-plan.ts';
import { PipelineRun } from './pipeline-run.ts';

export interface PipelineRunnerOptions {
  readonly model: ModelView;
  readonly plan: PipelinePlan;
  readonly clock: Clock;
  /** Deadline of requests that bring none; undefined: each step has that of its own model. */
  readonly sloMs: number | undefined;
  readonly infer: (call: InferCall) => Promise<InferResponse>;
}

export class PipelineRunner implements Runner {
  readonly #options: PipelineRunnerOptions;
  #inFlight = 0;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;

  constructor(options: PipelineRunnerOptions) {
    this.#options = options;
  }

  async submit(inputs: readonly Tensor[], options: SubmitOptions): Promise<BatchAnswer> {
    if (this.#closing !== undefined) throw new HotpathError('SHUTTING_DOWN', 'The model is being unloaded.');
    this.#inFlight++;
    try {
      return await new PipelineRun(this.#options, inputs, options).answer();
    } finally {
      this.#inFlight--;
      if (this.#inFlight === 0) this.#drained?.();
    }
  }

  /** What waits, waits in the queues of the steps' models. */
  status(): ReturnType<Runner['status']> {
    return {
      queue: { rows: 0, requests: 0, bytes: 0 },
      busyInstances: 0,
      inFlightRequests: this.#inFlight,
      sloInfeasible: false,
    };
  }

  close(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      this.#drained = resolve;
      if (this.#inFlight === 0) resolve();
    });
    return this.#closing;
  }
}
