/**
 * One predict request from headers to answer: refuse early, read, parse, infer, encode, count. Made by the routes; every way
 * out passes `#end`, which gives back the in-flight place exactly once. Callbacks instead of async functions: the hot path
 * has one promise, the core's.
 */
import { type ErrorCode, HotpathError, invalidInput } from '../../core/errors.ts';
import type { InferResponse, ModelView } from '../../core/types.ts';
import { readLongJson } from '../codecs/long-json.ts';
import { readMsgpack } from '../codecs/msgpack-reader.ts';
import { numberRowOf } from '../codecs/number-row.ts';
import { maxSmallJsonBytes, readJson } from '../codecs/read-json.ts';
import { type BodyFormat, bodyFormatOf } from './body-format.ts';
import type { RestContext } from './context.ts';
import { secondsText } from './duration-text.ts';
import { sendAnswer } from './predict-answer.ts';
import { emptyBody, type PayloadKind, type PredictBody, readPredictBody } from './predict-body.ts';
import { PredictCall, type RawPayload } from './predict-call.ts';
import { applyHeaders, rawBodyFields, rawShapeOf } from './predict-headers.ts';
import { requestIdOf } from './request-id.ts';
import { sendError } from './send-error.ts';
import type { Abandonable, BodyReceiver, Wire } from './wire.ts';

export interface PredictTarget {
  readonly kinds: readonly PayloadKind[];
  /** Raw bodies are answered as a batch even when they hold one row. */
  readonly batch: boolean;
  readonly model: string | undefined;
  readonly version: string | undefined;
}

export class PredictExchange implements Abandonable, BodyReceiver {
  readonly context: RestContext;
  readonly wire: Wire;
  readonly target: PredictTarget;
  readonly startMs: number;
  format: BodyFormat = 'json';
  /** Time spent parsing the body, before the core's own `decode`. */
  parseMs = 0;
  #call: PredictCall | undefined;
  #client = '';
  #held = false;
  #gone = false;

  constructor(context: RestContext, wire: Wire, target: PredictTarget) {
    this.context = context;
    this.wire = wire;
    this.target = target;
    this.startMs = context.deps.clock.now();
  }

  /** Refuses without reading a byte of the body where the headers suffice. */
  start(): void {
    const refusal = this.#enter();
    if (refusal !== undefined) {
      this.fail(refusal);
      return;
    }
    this.wire.receive(this.context.limitsOf(this.format), this);
  }

  /** The body has arrived whole; called by the wire. */
  onBody(body: Buffer): void {
    this.#parse(body);
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
    const contentType = wire.headers['content-type'];
    const format = bodyFormatOf(contentType);
    if (format === undefined) return unknownType(contentType);
    this.format = format;
    return undefined;
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
    const headers = ['x-process-time', secondsText(nowMs - this.startMs)];
    this.#end(sendError(this.context, this.wire, thrown, headers).code, nowMs);
  }

  /** Called once the answer was handed to the socket. */
  finish(nowMs: number): void {
    if (!this.#gone) this.#end('OK', nowMs);
  }

  #parse(body: Buffer): void {
    if (this.#gone) return;
    const { clock, config } = this.context.deps;
    const begunMs = clock.now();
    try {
      if (this.format === 'raw') {
        const { headers } = this.wire;
        this.#infer(rawBodyFields(headers, config.maxInputs), { bytes: body, shape: rawShapeOf(headers) });
      } else if (this.format === 'json' && body.length > maxSmallJsonBytes) this.#parseLong(body, begunMs);
      else {
        const { maxJsonDepth } = config;
        const row = this.format === 'json' && this.target.kinds.includes('features') ? numberRowOf(body) : undefined;
        if (row !== undefined) this.#infer(emptyBody('features', row), undefined);
        else
          this.#take(this.format === 'json' ? readJson(body, maxJsonDepth) : readMsgpack(body, maxJsonDepth), begunMs);
      }
    } catch (error) {
      this.fail(error);
    }
  }

  async #parseLong(body: Buffer, begunMs: number): Promise<void> {
    try {
      const value = await readLongJson(body, this.context.deps.config.maxJsonDepth);
      if (!this.#gone) this.#take(value, begunMs);
    } catch (error) {
      this.fail(error);
    }
  }

  #take(value: unknown, begunMs: number): void {
    const { clock, config } = this.context.deps;
    const body = readPredictBody(value, this.target.kinds, config.maxInputs);
    this.parseMs = clock.now() - begunMs;
    this.#infer(body, undefined);
  }

  #infer(body: PredictBody, raw: RawPayload | undefined): void {
    const { deps } = this.context;
    applyHeaders(body, this.wire.headers);
    applyTarget(body, this.target);
    const call = new PredictCall(body, raw, deps.config);
    this.#call = call;
    deps.infer(call).then(
      (answer) => {
        this.#answer(call, answer);
        if (raw !== undefined) this.context.bodyPool.give(raw.bytes);
      },
      (error: unknown) => {
        this.fail(error);
        if (raw !== undefined) this.context.bodyPool.give(raw.bytes);
      },
    );
  }

  #answer(call: PredictCall, answer: InferResponse): void {
    if (this.#gone) return;
    try {
      sendAnswer(this, call, answer);
    } catch (error) {
      this.fail(error);
    }
  }

  #end(code: 'OK' | ErrorCode, nowMs: number): void {
    this.#gone = true;
    const { context } = this;
    const { deps } = context;
    if (this.#held) {
      this.wire.unwatch(this);
      context.inFlight.leave(this.#client);
    }
    const elapsedMs = nowMs - this.startMs;
    const view = this.#call?.view;
    if (view === undefined) deps.telemetry.unroutedRequest('rest', code === 'OK' ? 'INTERNAL' : code, elapsedMs);
    else context.telemetryOf(view).request('rest', code, elapsedMs);
    if (deps.config.slowRequestMs > 0 && elapsedMs > deps.config.slowRequestMs) logSlow(this, code, elapsedMs, view);
    deps.onAnswered?.();
  }
}

function applyTarget(body: PredictBody, { model, version }: PredictTarget): void {
  if (model === undefined) return;
  for (const field of ['model', 'version'] as const) {
    if (body[field] === undefined) continue;
    throw invalidInput(
      field,
      `${field}: the URL names the model and its version; leave it out of the body.`,
      'nothing',
    );
  }
  body.model = model;
  body.version = version;
}

function logSlow(exchange: PredictExchange, code: string, elapsedMs: number, view: ModelView | undefined): void {
  const { wire } = exchange;
  const fields = {
    requestId: requestIdOf(wire),
    traceparent: wire.headers.traceparent,
    model: view?.name,
    version: view?.version,
    code,
    elapsedMs: Math.round(elapsedMs),
  };
  exchange.context.deps.logger.warn(fields, 'slow request');
}

function unknownType(contentType: string | undefined): HotpathError {
  const known = 'application/json, application/msgpack or application/octet-stream';
  const received = contentType === undefined ? 'none' : contentType.slice(0, 100);
  return new HotpathError('UNSUPPORTED_MEDIA_TYPE', `Content-Type: expected ${known}, got ${received}.`, {
    field: 'Content-Type',
    expected: known,
    received,
  });
}
