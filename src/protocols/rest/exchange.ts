/**
 * One inference request from headers to answer: refuse early, read, parse, infer, encode, count. What the native API and the Open
 * Inference Protocol have in common; each adds how it reads and answers. Every way out passes `#end`, which gives back the
 * in-flight place exactly once. Callbacks instead of async functions: the hot path has one promise, the core's.
 */
import { type ErrorCode, HotpathError, toHotpathError } from '../../core/errors.ts';
import type { CacheDirective, CancelToken, InferCall, InferResponse, ModelView } from '../../core/types.ts';
import type { Caller, Grant } from '../../ports/access.ts';
import type { Protocol } from '../../ports/telemetry.ts';
import { cacheDirectiveOf } from '../cache-directive.ts';
import { readLongJson } from '../codecs/long-json.ts';
import { credentialsOf } from '../credentials.ts';
import type { Traced } from '../request-accounts.ts';
import type { RestContext } from './context.ts';
import { secondsText } from './duration-text.ts';
import { requestIdOf } from './request-id.ts';
import type { Abandonable, BodyLimits, BodyReceiver, HeaderList, Wire } from './wire.ts';

export interface ExchangeCall extends InferCall {
  readonly cancel: CancelToken;
  caller: Caller | undefined;
  cache: CacheDirective | undefined;
  /** The model, once decoding has begun. */
  readonly view: ModelView | undefined;
}

export abstract class Exchange<Call extends ExchangeCall> implements Abandonable, BodyReceiver, Traced {
  readonly context: RestContext;
  readonly wire: Wire;
  readonly startMs: number;
  /** Time spent parsing the body, before the core's own `decode`. */
  parseMs = 0;
  readonly #protocol: Protocol;
  #call: Call | undefined;
  #client = '';
  #receivedMs = 0;
  #held = false;
  #gone = false;
  #grant: Grant | undefined;
  /** Set while the credentials are checked; the body is read meanwhile. */
  #admission: Promise<void> | undefined;

  constructor(context: RestContext, wire: Wire, protocol: Protocol) {
    this.context = context;
    this.wire = wire;
    this.#protocol = protocol;
    this.startMs = context.deps.clock.now();
  }

  /** What the body may be, from the headers; or why it is not even read. */
  protected abstract bodyLimits(): BodyLimits | HotpathError;
  /** Parses the body, which was there at `beganMs`, and calls `infer`. @throws HotpathError. */
  protected abstract parse(body: Buffer, beganMs: number): void;
  /** Encodes, sends and calls `finish`. @throws whatever encoding finds impossible, before anything is sent. */
  protected abstract answer(call: Call, response: InferResponse): void;
  /** Answers with the error; returns it as it was answered. */
  protected abstract answerError(thrown: unknown, headers: HeaderList): HotpathError;

  /** Refuses without reading a byte of the body where the headers suffice. */
  start(): void {
    const limits = this.#enter() ?? this.#admit() ?? this.bodyLimits();
    if (limits instanceof HotpathError) this.fail(limits);
    else this.wire.receive(limits, this);
  }

  /** The body has arrived whole; called by the wire. */
  onBody(body: Buffer): void {
    if (this.#gone) return;
    this.#receivedMs = this.context.deps.clock.now();
    if (this.#admission === undefined) this.#parse(body);
    else void this.#admission.then(() => this.#parse(body));
  }

  /** The client has left; what still runs for it is dropped as early as the core can. */
  abandon(): void {
    if (this.#gone) return;
    this.#end('CANCELLED', this.context.deps.clock.now());
    this.#call?.cancel.cancel();
  }

  /** Answers with the error, unless the client has left or was answered. */
  fail(thrown: unknown): void {
    if (this.#gone) return;
    const nowMs = this.context.deps.clock.now();
    const headers = ['x-process-time', secondsText(nowMs - this.startMs), ...(this.#grant?.headers ?? [])];
    this.#end(this.answerError(thrown, headers).code, nowMs);
  }

  /** Called once the answer was handed to the socket. */
  finish(response: InferResponse, nowMs: number): void {
    if (this.#gone) return;
    this.context.accounts.countStages(response, this.parseMs, nowMs - this.#receivedMs);
    this.#end('OK', nowMs);
  }

  traceFields(): object {
    return { requestId: requestIdOf(this.wire), traceparent: this.wire.headers.traceparent };
  }

  /** What every answer says beside its timing. */
  pushFacts(headers: HeaderList, { cache, predictionId }: InferResponse): void {
    if (cache !== undefined) headers.push('x-cache', cache);
    if (predictionId !== undefined) headers.push('x-prediction-id', predictionId);
    if (this.#grant !== undefined) headers.push(...this.#grant.headers);
  }

  /** `body`: large bytes that the call's tensors alias; given back for the next request once nobody reads them. */
  protected infer(call: Call, body: Buffer | undefined): void {
    this.#call = call;
    call.caller = this.#grant?.caller;
    const cacheControl = this.wire.headers['cache-control'];
    if (cacheControl !== undefined) call.cache = cacheDirectiveOf(cacheControl);
    const { deps, bodyPool } = this.context;
    deps.infer(call).then(
      (response) => {
        this.#answer(call, response);
        if (body !== undefined) bodyPool.give(body);
      },
      (error: unknown) => {
        this.fail(error);
        if (body !== undefined) bodyPool.give(body);
      },
    );
  }

  /** JSON too long to parse at once; `take` goes on with its value, unless the client has left. */
  protected async parseLong(json: Buffer, take: (value: unknown) => void): Promise<void> {
    try {
      const value = await readLongJson(json, this.context.deps.config.maxJsonDepth);
      if (!this.#gone) take(value);
    } catch (error) {
      this.fail(error);
    }
  }

  #enter(): HotpathError | undefined {
    const { context, wire } = this;
    if (context.closing) return new HotpathError('SHUTTING_DOWN', 'The server is stopping and takes no new work.');
    const client = context.inFlight.countsClients ? (wire.remoteAddress ?? '') : '';
    const refusal = context.inFlight.enter(client);
    if (refusal !== undefined) return refusal;
    this.#client = client;
    this.#held = true;
    wire.watch(this);
    return undefined;
  }

  /** Why the caller may not ask; undefined while that is not known. */
  #admit(): HotpathError | undefined {
    const { access } = this.context.deps;
    if (access === undefined) return undefined;
    const answer = access.enter(credentialsOf(this.wire.headers), 'predict');
    if (!(answer instanceof Promise)) return this.#take(answer);
    this.#admission = answer.then((later) => {
      this.#admission = undefined;
      const refusal = this.#take(later);
      if (refusal !== undefined) this.fail(refusal);
    }, this.fail.bind(this));
    return undefined;
  }

  #take(answer: Grant | Error): HotpathError | undefined {
    if (answer instanceof Error) return toHotpathError(answer);
    if (this.#gone) answer.release();
    else this.#grant = answer;
    return undefined;
  }

  #parse(body: Buffer): void {
    if (this.#gone) return;
    try {
      this.parse(body, this.#receivedMs);
    } catch (error) {
      this.fail(error);
    }
  }

  #answer(call: Call, response: InferResponse): void {
    if (this.#gone) return;
    try {
      this.answer(call, response);
    } catch (error) {
      this.fail(error);
    }
  }

  #end(code: 'OK' | ErrorCode, nowMs: number): void {
    this.#gone = true;
    const { inFlight, accounts } = this.context;
    if (this.#held) {
      this.wire.unwatch(this);
      inFlight.leave(this.#client);
    }
    this.#grant?.release();
    accounts.end(this.#protocol, code, nowMs - this.startMs, this.#call?.view, this);
  }
}
