/** A predict request of the native API: JSON, MessagePack or raw bytes in, the format the client likes out. Made by the routes. */
import { HotpathError, invalidInput } from '../../core/errors.ts';
import type { InferResponse } from '../../core/types.ts';
import { readMsgpack } from '../codecs/msgpack-reader.ts';
import { numberRowOf } from '../codecs/number-row.ts';
import { maxSmallJsonBytes, readJson } from '../codecs/read-json.ts';
import { type BodyFormat, bodyFormatOf } from './body-format.ts';
import type { RestContext } from './context.ts';
import { Exchange } from './exchange.ts';
import { sendAnswer } from './predict-answer.ts';
import { emptyBody, type PayloadKind, type PredictBody, readPredictBody } from './predict-body.ts';
import { PredictCall, type RawPayload } from './predict-call.ts';
import { applyHeaders, rawBodyFields, rawShapeOf } from './predict-headers.ts';
import { sendError } from './send-error.ts';
import type { BodyLimits, HeaderList, Wire } from './wire.ts';

export interface PredictTarget {
  readonly kinds: readonly PayloadKind[];
  /** Raw bodies are answered as a batch even when they hold one row. */
  readonly batch: boolean;
  readonly model: string | undefined;
  readonly version: string | undefined;
}

export class PredictExchange extends Exchange<PredictCall> {
  readonly target: PredictTarget;
  format: BodyFormat = 'json';

  constructor(context: RestContext, wire: Wire, target: PredictTarget) {
    super(context, wire, 'rest');
    this.target = target;
  }

  protected bodyLimits(): BodyLimits | HotpathError {
    const contentType = this.wire.headers['content-type'];
    const format = bodyFormatOf(contentType);
    if (format === undefined) return unknownType(contentType);
    this.format = format;
    return this.context.limitsOf(format);
  }

  protected parse(body: Buffer, beganMs: number): void {
    const { config } = this.context.deps;
    if (this.format === 'raw') {
      const { headers } = this.wire;
      this.#call(rawBodyFields(headers, config.maxInputs), { bytes: body, shape: rawShapeOf(headers) });
      return;
    }
    if (this.format === 'msgpack') {
      this.#take(readMsgpack(body, config.maxJsonDepth), beganMs);
      return;
    }
    if (body.length > maxSmallJsonBytes) {
      void this.parseLong(body, (value) => this.#take(value, beganMs));
      return;
    }
    const row = this.target.kinds.includes('features') ? numberRowOf(body) : undefined;
    if (row !== undefined) this.#call(emptyBody('features', row), undefined);
    else this.#take(readJson(body, config.maxJsonDepth), beganMs);
  }

  protected answer(call: PredictCall, response: InferResponse): void {
    sendAnswer(this, call, response);
  }

  protected answerError(thrown: unknown, headers: HeaderList): HotpathError {
    return sendError(this.context, this.wire, thrown, headers);
  }

  #take(value: unknown, beganMs: number): void {
    const { clock, config } = this.context.deps;
    const body = readPredictBody(value, this.target.kinds, config.maxInputs);
    this.parseMs = clock.now() - beganMs;
    this.#call(body, undefined);
  }

  #call(body: PredictBody, raw: RawPayload | undefined): void {
    applyHeaders(body, this.wire.headers);
    applyTarget(body, this.target);
    this.infer(new PredictCall(body, raw, this.context.deps.config), raw?.bytes);
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

function unknownType(contentType: string | undefined): HotpathError {
  const known = 'application/json, application/msgpack or application/octet-stream';
  const received = contentType === undefined ? 'none' : contentType.slice(0, 100);
  return new HotpathError('UNSUPPORTED_MEDIA_TYPE', `Content-Type: expected ${known}, got ${received}.`, {
    field: 'Content-Type',
    expected: known,
    received,
  });
}
