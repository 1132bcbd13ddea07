/**
 * The hot path, read top to bottom: access, model, features, decoding, cache, batching, engine, answer, record. Every protocol calls
 * this one function; it knows no wire format, no runtime and no store. Steps are plain calls, each with the errors that leave it.
 */
import type { Caller } from '../ports/access.ts';
import type { CacheOutcome } from '../ports/cache-store.ts';
import type { Clock } from '../ports/clock.ts';
import { mayAsk } from './access/role.ts';
import type { BatchAnswer } from './batching/ticket.ts';
import { HotpathError } from './errors.ts';
import type { FeatureCache } from './features/feature-cache.ts';
import { joinFeatures } from './features/join-features.ts';
import { answered, failed } from './predictions/prediction-facts.ts';
import type { PredictionRecorder } from './predictions/prediction-recorder.ts';
import { quote } from './registry/failures.ts';
import type { Runner } from './runner.ts';
import type { NamedTensor, Tensor } from './tensor.ts';
import type { InferCall, InferResponse, ModelView } from './types.ts';

/** A ready model that stays loaded until the lease is released. */
export interface ModelLease {
  readonly model: {
    readonly view: ModelView;
    readonly runner: Pick<Runner, 'submit' | 'outcome'>;
    readonly sloMs: number;
    /** Of models whose requests may name entities. */
    readonly features?: Pick<FeatureCache, 'getMany'> | undefined;
  };
  release(): void;
}

export interface InferDeps {
  readonly clock: Clock;
  /** Synchronous when the model is ready; a promise while it loads. */
  readonly acquire: (model: string | undefined, version: string | undefined) => ModelLease | Promise<ModelLease>;
  /** Name of the model of requests that name none; needed where callers have scopes. */
  readonly defaultModel?: (() => string | undefined) | undefined;
  /** Absent: predictions are not logged. */
  readonly recorder?: Pick<PredictionRecorder, 'record'> | undefined;
}

/**
 * The protocol has taken a place for this request already (core/admission), before it read the body.
 * @throws HotpathError; see the steps.
 */
export async function infer(deps: InferDeps, call: InferCall): Promise<InferResponse> {
  const { clock, recorder } = deps;
  // Access: PERMISSION_DENIED, before anything is loaded for the caller.
  if (call.caller?.models !== undefined) checkScope(call.caller, call.model ?? deps.defaultModel?.());
  // Model: MODEL_NOT_FOUND, MODEL_FAILED, MODEL_NOT_READY, SHUTTING_DOWN.
  const pending = deps.acquire(call.model, call.version);
  const lease = pending instanceof Promise ? await loadInTime(clock, pending, call) : pending;
  const { view, runner, features, sloMs } = lease.model;
  const startedMs = clock.now();
  let inputs: readonly Tensor[] | undefined;
  try {
    // Features: INVALID_INPUT, DEADLINE_EXCEEDED, CANCELLED, OVERLOADED.
    if (call.entities !== undefined) {
      const fetching = joinFeatures(features, call, view.name);
      if (fetching !== undefined) await fetching;
    }
    // Decoding: INVALID_INPUT, now that the signature is known.
    inputs = call.decode(view);
    const arrivalMs = clock.now();
    // Cache, batching and engine: OVERLOADED, DEADLINE_EXCEEDED, CANCELLED, ENGINE_FAILED, POISON_INPUT.
    const answer = await runner.submit(inputs, {
      priority: call.priority ?? view.defaultPriority ?? 0,
      arrivalMs,
      timeoutMs: call.entities === undefined ? call.timeoutMs : remaining(call, arrivalMs - startedMs),
      solo: call.batching === 'off',
      cancel: call.cancel,
      sequence: call.sequence,
      cache: call.cache,
    });
    const response = respond(view, call, answer, arrivalMs - startedMs, answer.cache ?? runner.outcome);
    if (recorder === undefined) return response;
    // Record: no error leaves it; the answer waits only where it promises that its record is durable.
    const untilMs = arrivalMs + (call.timeoutMs ?? sloMs);
    const recorded = recorder.record(answered(response, call, inputs, clock.now() - startedMs, untilMs));
    return { ...response, predictionId: recorded instanceof Promise ? await recorded : recorded };
  } catch (error) {
    recorder?.record(failed(view, call, inputs, clock.now() - startedMs, error));
    throw error;
  } finally {
    lease.release();
  }
}

/** Fetching features takes of the time the client waits. */
function remaining({ timeoutMs }: InferCall, spentMs: number): number | undefined {
  return timeoutMs === undefined ? undefined : timeoutMs - spentMs;
}

function checkScope(caller: Caller, model: string | undefined): void {
  if (model === undefined || mayAsk(caller, model)) return;
  throw new HotpathError('PERMISSION_DENIED', `The caller may not use the model ${quote(model)}.`, { field: 'model' });
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

function respond(
  view: ModelView,
  call: InferCall,
  answer: BatchAnswer,
  decodeMs: number,
  cache: CacheOutcome | undefined,
): InferResponse {
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
  return { model: view, outputs: named, timing, cache };
}
