/**
 * Stands before the batcher of a stateful model: takes turns within a sequence, fills in what clients do not send (flags, id,
 * states), and keeps the new states for the next request. Requests of different sequences may share a batch. Made by runner.ts.
 */
import type { Clock } from '../../ports/clock.ts';
import type { ModelTelemetry } from '../../ports/telemetry.ts';
import type { Batcher, SubmitOptions } from '../batching/batcher.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import type { Presentation } from '../declared/presentation.ts';
import { toClientOutputs, toModelInputs } from '../declared/presented-runner.ts';
import { HotpathError, invalidInput } from '../errors.ts';
import type { Runner } from '../runner.ts';
import { fitsPattern, formatShape, type Tensor, type TensorData, tensorBytes } from '../tensor.ts';
import type { ModelView, SequenceStep } from '../types.ts';
import { idTensor } from './id-tensor.ts';
import type { SequencePlan } from './sequence-plan.ts';
import { type LiveSequence, SequenceTable } from './sequence-table.ts';

export interface SequenceRunnerOptions {
  readonly batcher: Batcher;
  readonly plan: SequencePlan;
  readonly presentation: Presentation;
  readonly model: ModelView;
  readonly clock: Clock;
  readonly telemetry: ModelTelemetry;
  readonly sloMs: number;
  readonly maxQueueRows: number;
  /** What waits for its turn and what is kept as state may each take so much. */
  readonly maxQueueBytes: number;
}

/** As in Triton. Ids are kept as long as their sequence lives. */
const maxIdLength = 128;

/** One tensor per state of the plan. */
type States = readonly Tensor[];

export class SequenceRunner implements Runner {
  readonly #options: SequenceRunnerOptions;
  readonly #table: SequenceTable<States>;
  readonly #initial: States;
  #pendingBytes = 0;
  #pending = 0;
  #closing: Promise<void> | undefined;
  #drained: (() => void) | undefined;
  /** Of the largest state seen: states of one model are about alike. */
  #stateBytes: number;

  constructor(options: SequenceRunnerOptions) {
    this.#options = options;
    const { plan, model, clock, telemetry, maxQueueRows } = options;
    this.#initial = plan.states.map(({ initial }) => initial);
    this.#stateBytes = sumBytes(this.#initial);
    this.#table = new SequenceTable({
      model: model.name,
      clock,
      maxSequences: plan.maxSequences,
      maxIdleMs: plan.maxIdleMs,
      maxWaiting: maxQueueRows,
      onCancelled: () => telemetry.cancelled(),
      onExpired: () => telemetry.expired(),
    });
  }

  async submit(inputs: readonly Tensor[], options: SubmitOptions): Promise<BatchAnswer> {
    if (this.#closing !== undefined) throw new HotpathError('SHUTTING_DOWN', 'The model is being unloaded.');
    const step = this.#checked(inputs, options);
    const filled = toModelInputs(this.#options.presentation, inputs);
    const bytes = sumBytes(inputs);
    this.#admit(bytes, step);
    this.#pendingBytes += bytes;
    this.#pending++;
    try {
      const deadlineMs = options.arrivalMs + (options.timeoutMs ?? this.#options.sloMs);
      const turn = { step, deadlineMs, cancel: options.cancel };
      return await this.#table.run(turn, (sequence) => this.#run(sequence, filled, step, options));
    } finally {
      this.#pendingBytes -= bytes;
      this.#pending--;
      if (this.#pending === 0) this.#drained?.();
    }
  }

  get liveSequences(): number {
    return this.#table.size;
  }

  status(): ReturnType<Runner['status']> {
    const status = this.#options.batcher.status();
    return { ...status, inFlightRequests: this.#pending };
  }

  /** Live sequences end with the model. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#pending > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    this.#table.close();
    await this.#options.batcher.close();
  }

  async #run(
    sequence: LiveSequence<States>,
    inputs: Tensor[],
    step: SequenceStep,
    options: SubmitOptions,
  ): Promise<BatchAnswer> {
    const { plan, batcher, presentation } = this.#options;
    this.#fill(inputs, step, sequence.state ?? this.#initial);
    const answer = await batcher.submit(inputs, options);
    sequence.state = plan.states.map(({ name, shape, output }) => keep(name, shape, answer.outputs[output]!));
    if (plan.states.length > 0) this.#stateBytes = Math.max(this.#stateBytes, sumBytes(sequence.state));
    return { ...answer, outputs: toClientOutputs(presentation, answer.outputs) };
  }

  #fill(inputs: Tensor[], step: SequenceStep, states: States): void {
    const { flags, id, states: kept } = this.#options.plan;
    for (const { kind, input, no, yes } of flags) inputs[input] = kind === 'ready' || step[kind] ? yes : no;
    if (id !== undefined) inputs[id.input] = idTensor(step.id, id.datatype, id.shape);
    for (const [index, { input }] of kept.entries()) inputs[input] = states[index]!;
  }

  /** @throws INVALID_INPUT */
  #checked(inputs: readonly Tensor[], { sequence }: SubmitOptions): SequenceStep {
    const { plan, model } = this.#options;
    if (sequence === undefined || isNone(sequence.id)) {
      const message = `Requests to the stateful model "${model.name}" must specify a non-zero or non-empty correlation ID (sequence_id).`;
      throw invalidInput('sequence_id', message, 'a number from 1 or a text');
    }
    if (typeof sequence.id === 'string' && sequence.id.length > maxIdLength) {
      const message = `sequence_id must have at most ${maxIdLength} characters, not ${sequence.id.length}.`;
      throw invalidInput('sequence_id', message, `at most ${maxIdLength} characters`);
    }
    const rows = inputs[0]?.shape[0];
    if (plan.batched && rows !== undefined && rows !== 1) {
      const message = `Requests to model "${model.name}" must specify batch-size 1 due to requirements of sequence batching.`;
      throw invalidInput('inputs', message, '1 row', `${rows} rows`);
    }
    // Refused here, before it takes a place: an id that cannot be shown to the model.
    if (plan.id !== undefined) idTensor(sequence.id, plan.id.datatype, plan.id.shape);
    return sequence;
  }

  /** @throws OVERLOADED */
  #admit(bytes: number, { start }: SequenceStep): void {
    const { maxQueueBytes, telemetry } = this.#options;
    const stateBytes = start ? (this.#table.size + 1) * this.#stateBytes : 0;
    if (this.#pendingBytes + bytes <= maxQueueBytes && stateBytes <= maxQueueBytes) return;
    telemetry.shed('queue-bytes');
    const message = 'Too much data waits for this model or is kept for its sequences; try again later.';
    throw new HotpathError('OVERLOADED', message, { reason: 'queue-bytes', retryAfterSeconds: 1 });
  }
}

function isNone(id: SequenceStep['id']): boolean {
  return id === 0 || id === 0n || id === '';
}

/** A row of a batch is a view on all its rows, which must not live as long as the sequence. */
function keep(name: string, pattern: readonly number[], tensor: Tensor): Tensor {
  const { datatype, shape, data } = tensor;
  if (!fitsPattern(shape, pattern)) {
    const message = `The model answered a state of the shape ${formatShape(shape)}, which its input "${name}" ${formatShape(pattern)} does not take.`;
    throw new HotpathError('ENGINE_FAILED', message);
  }
  const whole = Array.isArray(data) || data.byteLength === data.buffer.byteLength;
  return whole ? tensor : { datatype, shape, data: data.slice() as TensorData };
}

function sumBytes(tensors: readonly Tensor[]): number {
  let bytes = 0;
  for (const tensor of tensors) bytes += tensorBytes(tensor);
  return bytes;
}
