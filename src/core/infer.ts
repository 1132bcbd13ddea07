/**
 * The hot path, read top to bottom: model, decoding, batching, engine, answer. Every protocol calls this one
 * function; it knows no wire format, no runtime and no store. Steps are plain calls, each with the errors that leave it.
 */
import type { Clock } from '../ports/clock.ts';
import type { BatchAnswer } from './batching/ticket.ts';
import { HotpathError } from './errors.ts';
import type { Runner } from './runner.ts';
import type { NamedTensor } from './tensor.ts';
import type { InferCall, InferResponse, ModelView } from './types.ts';

/** A ready model that stays loaded until the lease is released. */
export interface ModelLease {
  readonly model: { readonly view: ModelView; readonly runner: Pick<Runner, 'submit'> };
  release(): void;
}

export interface InferDeps {
  readonly clock: Clock;
  /** Synchronous when the model is ready; a promise while it loads. */
  readonly acquire: (model: string | undefined, version: string | undefined) => ModelLease | Promise<ModelLease>;
}

/**
 * The protocol has taken a place for this request already (core/admission), before it read the body.
 * @throws HotpathError; see the steps.
 */
export async function infer(deps: InferDeps, call: InferCall): Promise<InferResponse> {
  const { clock } = deps;
  // Model: MODEL_NOT_FOUND, MODEL_FAILED, MODEL_NOT_READY, SHUTTING_DOWN.
  const pending = deps.acquire(call.model, call.version);
  const lease = pending instanceof Promise ? await loadInTime(clock, pending, call) : pending;
  try {
    // Decoding: INVALID_INPUT, now that the signature is known.
    const { view, runner } = lease.model;
    const startedMs = clock.now();
    const inputs = call.decode(view);
    const arrivalMs = clock.now();
    // Batching and engine: OVERLOADED, DEADLINE_EXCEEDED, CANCELLED, ENGINE_FAILED, POISON_INPUT.
    const answer = await runner.submit(inputs, {
      priority: call.priority ?? view.defaultPriority ?? 0,
      arrivalMs,
      timeoutMs: call.timeoutMs,
      solo: call.batching === 'off',
      cancel: call.cancel,
      sequence: call.sequence,
    });
    return respond(view, call, answer, arrivalMs - startedMs);
  } finally {
    lease.release();
  }
}

/** A request with its own deadline does not wait longer than that for a cold model; the load goes on without it. */
async function loadInTime(clock: Clock, pending: Promise<ModelLease>, call: InferCall): Promise<ModelLease> {
  if (call.timeoutMs === undefined) return pending;
  let expired = false;
  // Whoever leaves early must not keep the model from being evicted.
  const lease = pending.then((ready) => {
    if (expired) ready.release();
    return ready;
  });
  let timer: ReturnType<Clock['after']> | undefined;
  const timeout = new Promise<never>((_, reject) => {
    timer = clock.after(call.timeoutMs!, () => {
      expired = true;
      reject(
        new HotpathError('DEADLINE_EXCEEDED', 'The deadline passed while the model was loading; try again shortly.'),
      );
    });
  });
  try {
    return await Promise.race([lease, timeout]);
  } finally {
    clock.clear(timer!);
  }
}

function respond(view: ModelView, call: InferCall, answer: BatchAnswer, decodeMs: number): InferResponse {
  const { outputs, queueMs, batchMs, inferMs, batchRows, release } = answer;
  const timing = { decodeMs, queueMs, batchMs, inferMs, batchRows, release };
  const specs = view.signature.outputs;
  const named: NamedTensor[] = [];
  for (let index = 0; index < specs.length; index++) {
    const { name } = specs[index]!;
    if (call.outputs !== undefined && !call.outputs.includes(name)) continue;
    const { datatype, shape, data } = outputs[index]!;
    named.push({ name, datatype, shape, data });
  }
  return { model: view, outputs: named, timing };
}
