/**
 * What answers the requests of one loaded version: the batcher, with what a `config.pbtxt` may put before it, or a pipeline of
 * other models. infer.ts submits to it; the registry makes it through the composition root, asks its status, and closes it.
 */
import type { CacheOutcome } from '../ports/cache-store.ts';
import { Batcher, type BatcherOptions, type SubmitOptions } from './batching/batcher.ts';
import type { BatchAnswer } from './batching/ticket.ts';
import type { Presentation } from './declared/presentation.ts';
import { PresentedRunner } from './declared/presented-runner.ts';
import { PipelineRunner, type PipelineRunnerOptions } from './pipeline/pipeline-runner.ts';
import type { ModelRunner } from './registry/dependencies.ts';
import type { SequencePlan } from './sequences/sequence-plan.ts';
import { SequenceRunner } from './sequences/sequence-runner.ts';
import type { Tensor } from './tensor.ts';

export interface Runner extends ModelRunner {
  /** `inputs` are in the order of the signature clients see; the answer's outputs are too. @throws HotpathError. */
  submit(inputs: readonly Tensor[], options: SubmitOptions): Promise<BatchAnswer>;
  /** Of answers that do not say it themselves; set where a cache stands in front. */
  readonly outcome?: CacheOutcome | undefined;
}

/** What a `config.pbtxt` changes between clients and the model. */
export interface Declared {
  /** Undefined: clients see the model as it is. */
  readonly presentation?: Presentation | undefined;
  /** Set for stateful models, and then `presentation` is too. */
  readonly sequences?: SequencePlan | undefined;
}

/** `model.signature` is the model's own. */
export function createRunner(options: BatcherOptions & Declared): Runner {
  const { presentation, sequences } = options;
  const batcher = new Batcher(options);
  if (sequences !== undefined && presentation !== undefined) {
    return new SequenceRunner({ ...options, batcher, presentation, plan: sequences });
  }
  return presentation === undefined || presentation.plain ? batcher : new PresentedRunner(batcher, presentation);
}

export function createPipeline(options: PipelineRunnerOptions & Pick<Declared, 'presentation'>): Runner {
  const { presentation } = options;
  const pipeline = new PipelineRunner(options);
  return presentation === undefined || presentation.plain ? pipeline : new PresentedRunner(pipeline, presentation);
}
