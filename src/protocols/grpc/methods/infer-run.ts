/**
 * One prediction over gRPC, from the bytes of its message to the frame of its answer: the InferCall that the core sees, with its
 * place in flight, its measurements and its end. Used by the unary and the streaming method. `start` settles exactly once.
 */
import { type ErrorCode, HotpathError, toHotpathError } from '../../../core/errors.ts';
import type { NamedTensor, Tensor } from '../../../core/tensor.ts';
import {
  type CacheDirective,
  CancelToken,
  type InferCall,
  type InferResponse,
  type ModelView,
  type Priority,
} from '../../../core/types.ts';
import type { Caller, Grant } from '../../../ports/access.ts';
import type { FeatureRow } from '../../../ports/feature-source.ts';
import { cacheDirectiveOf } from '../../cache-directive.ts';
import { type AnswerPlan, checkPlan, planAnswer, plannedNames } from '../../oip/answer-plan.ts';
import { bindInputs } from '../../oip/bind-inputs.ts';
import { bindJoined } from '../../oip/bind-joined.ts';
import { classify } from '../../oip/classify.ts';
import { readEntity, readSchedule, readSequence, type SequenceStep } from '../../oip/parameters.ts';
import type { OipRequest } from '../../oip/request.ts';
import type { ServerCall } from '../call.ts';
import type { GrpcContext } from '../context.ts';
import type { Frame } from '../frame.ts';
import { decodeInferRequest } from '../infer-request.ts';
import { type Envelope, encodeInferResponse } from '../infer-response.ts';
import { methodRoles } from '../method-roles.ts';

export interface RunReceiver {
  onAnswer(frame: Frame): void;
  onError(error: unknown): void;
}

export class InferRun implements InferCall {
  readonly cancel = new CancelToken();
  model: string | undefined;
  version: string | undefined;
  outputs: readonly string[] | undefined;
  priority: Priority | undefined;
  timeoutMs: number | undefined;
  /** Of stateful models; undefined when the request belongs to no sequence. */
  sequence: SequenceStep | undefined;
  caller: Caller | undefined;
  cache: CacheDirective | undefined;
  entities: readonly string[] | undefined;
  join: InferCall['join'];
  /** Of the request; empty when it had none or could not be read. */
  id = '';
  readonly #call: ServerCall;
  readonly #context: GrpcContext;
  readonly #receiver: RunReceiver;
  readonly #envelope: Envelope;
  readonly #client: string;
  readonly #startMs: number;
  #request: OipRequest | undefined;
  #plan: AnswerPlan | undefined;
  #typed = false;
  #view: ModelView | undefined;
  #receivedMs = 0;
  #parseMs = 0;
  #held = false;
  #grant: Grant | undefined;
  #fetched: FeatureRow | undefined;
  #over = false;

  /** `startMs` is when the client began to wait. */
  constructor(call: ServerCall, receiver: RunReceiver, envelope: Envelope, startMs: number) {
    const { context } = call;
    this.#call = call;
    this.#context = context;
    this.#receiver = receiver;
    this.#envelope = envelope;
    this.#client = context.inFlight.countsClients ? call.peer : '';
    this.#startMs = startMs;
  }

  /**
   * Takes a place and asks who calls, before a byte of the message is read. The error says why it may not run. A promise while a token
   * is seen for the first time: it never rejects, and what it brings for a run that is over is given back.
   */
  enter(): HotpathError | undefined | Promise<HotpathError | undefined> {
    const context = this.#context;
    if (context.closing) return new HotpathError('SHUTTING_DOWN', 'The server is stopping and takes no new work.');
    const refusal = context.inFlight.enter(this.#client);
    if (refusal !== undefined) return refusal;
    this.#held = true;
    const { access } = context.deps;
    if (access === undefined) return undefined;
    const answer = access.enter(this.#call.credentials, methodRoles.inference.ModelInfer);
    return answer instanceof Promise ? answer.then(this.#take, toHotpathError) : this.#take(answer);
  }

  /** `remainingMs`: what is left of the client's deadline. */
  start(message: Buffer, remainingMs: number | undefined): void {
    if (this.#over) return;
    const { clock } = this.#context.deps;
    this.#receivedMs = clock.now();
    try {
      this.#read(message);
      this.#parseMs = clock.now() - this.#receivedMs;
      this.timeoutMs = smaller(this.timeoutMs, remainingMs);
      if (this.timeoutMs !== undefined && this.timeoutMs <= 0) {
        throw new HotpathError('DEADLINE_EXCEEDED', 'The deadline had passed when the request arrived.');
      }
    } catch (error) {
      this.fail(error);
      return;
    }
    const { deps, messagePool } = this.#context;
    deps.infer(this).then(
      (response) => {
        this.#answer(response);
        messagePool.give(message);
      },
      (error: unknown) => {
        this.fail(error);
        messagePool.give(message);
      },
    );
  }

  /** The client has left, or its call has failed with this error; what still runs is dropped as early as the core can. */
  abandon(error?: unknown): void {
    if (this.#over) return;
    this.#end(error === undefined ? 'CANCELLED' : toHotpathError(error).code);
    this.cancel.cancel();
  }

  fail(thrown: unknown): void {
    if (this.#over) return;
    this.#end(toHotpathError(thrown).code);
    this.#receiver.onError(thrown);
  }

  /** An own property, so that it may be passed around without its object. */
  readonly decode = (view: ModelView): readonly Tensor[] => {
    this.#view = view;
    const request = this.#request!;
    // Typed contents must not stay alive while the request waits in the queue.
    this.#request = undefined;
    checkPlan(this.#plan!, view);
    const { config } = this.#context.deps;
    if (this.entities === undefined) return bindInputs(request, view, config);
    return bindJoined(request, view, config, this.entities[0]!, this.#fetched);
  };

  readonly #take = (answer: Grant | Error): HotpathError | undefined => {
    if (answer instanceof Error) return toHotpathError(answer);
    if (this.#over) {
      answer.release();
      return undefined;
    }
    this.#grant = answer;
    this.caller = answer.caller;
    if (answer.headers.length > 0) this.#call.facts = answer.headers;
    return undefined;
  };

  #read(message: Buffer): void {
    const { config } = this.#context.deps;
    const request = decodeInferRequest(message, config);
    const { parameters } = request;
    this.id = request.id ?? '';
    if (request.model === '') {
      throw new HotpathError('INVALID_INPUT', 'model_name: expected the name of a model, got nothing.', {
        field: 'model_name',
      });
    }
    const { priority, timeoutMs } = readSchedule(parameters);
    this.model = request.model;
    this.version = request.version;
    this.priority = priority;
    this.timeoutMs = timeoutMs;
    this.sequence = readSequence(parameters);
    this.cache = cacheDirectiveOf(this.#call.cacheControl);
    this.entities = readEntity(parameters);
    if (this.entities !== undefined) {
      this.join = ([row]) => {
        this.#fetched = row;
      };
    }
    // Answers are raw, as Triton's are, unless the client says that it wants no bytes.
    this.#typed = parameters?.binary_data_output === false;
    this.#plan = planAnswer(request, config.maxInputs);
    this.outputs = plannedNames(this.#plan);
    this.#request = request;
  }

  #answer(response: InferResponse): void {
    if (this.#over) return;
    let frame: Frame;
    try {
      frame = this.#encode(response);
    } catch (error) {
      this.fail(error);
      return;
    }
    this.#tellFacts(response);
    const { accounts, deps } = this.#context;
    accounts.countStages(response, this.#parseMs, deps.clock.now() - this.#receivedMs);
    this.#end('OK');
    this.#receiver.onAnswer(frame);
  }

  /** As trailers, under the names of the REST headers. Not of streams, whose trailers come after many answers. */
  #tellFacts({ cache, predictionId }: InferResponse): void {
    if (this.#envelope !== 'response' || (cache === undefined && predictionId === undefined)) return;
    const facts = [...this.#call.facts];
    if (cache !== undefined) facts.push('x-cache', cache);
    if (predictionId !== undefined) facts.push('x-prediction-id', predictionId);
    this.#call.facts = facts;
  }

  #encode({ model, outputs }: InferResponse): Frame {
    const answer = {
      model: model.name,
      version: model.version,
      id: this.id,
      parameters: undefined,
      outputs: plannedOutputs(this.#plan!, outputs, model),
    };
    return encodeInferResponse(answer, this.#envelope, this.#typed);
  }

  #end(code: 'OK' | ErrorCode): void {
    this.#over = true;
    const { inFlight, accounts, deps } = this.#context;
    if (this.#held) inFlight.leave(this.#client);
    this.#grant?.release();
    accounts.end('grpc', code, deps.clock.now() - this.#startMs, this.#view, undefined);
  }
}

/** In the order of the request, for clients that count. */
function plannedOutputs(plan: AnswerPlan, outputs: readonly NamedTensor[], model: ModelView): readonly NamedTensor[] {
  if (plan.outputs === undefined) return outputs;
  return plan.outputs.map(({ name, classes }) => {
    const output = outputs.find((tensor) => tensor.name === name)!;
    return classes > 0 ? classify(output, classes, model) : output;
  });
}

function smaller(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined) return b;
  return b === undefined ? a : Math.min(a, b);
}
