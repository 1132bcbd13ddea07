/** An infer request of the Open Inference Protocol: JSON, JSON with binary tensors behind it, or one raw tensor; errors in its form. */
import type { HotpathError } from '../../core/errors.ts';
import type { InferResponse } from '../../core/types.ts';
import { maxSmallJsonBytes } from '../codecs/read-json.ts';
import { errorAnswer } from '../oip/errors.ts';
import { answer, jsonCall, type OipCall, rawCall } from '../oip/infer-call.ts';
import { readInferJson } from '../oip/infer-json.ts';
import type { OipTarget } from '../oip/read-json-request.ts';
import { type SplitBody, splitBody } from '../oip/split-body.ts';
import type { RestContext } from './context.ts';
import { Exchange } from './exchange.ts';
import { pushTiming } from './predict-answer.ts';
import { finishHeaders, send } from './send.ts';
import { finishError } from './send-error.ts';
import type { BodyLimits, HeaderList, Wire } from './wire.ts';

const jsonType = 'application/json';
const headerLength = 'inference-header-content-length';

export class OipExchange extends Exchange<OipCall> {
  readonly target: OipTarget;

  constructor(context: RestContext, wire: Wire, target: OipTarget) {
    super(context, wire, 'oip-rest');
    this.target = target;
  }

  /** The JSON part has a limit of its own, kept by splitBody. */
  protected bodyLimits(): BodyLimits {
    return this.context.limitsOf('raw');
  }

  protected parse(body: Buffer, beganMs: number): void {
    const { config } = this.context.deps;
    const parts = splitBody(body, this.wire.headers[headerLength], config.maxJsonBytes);
    const { json, binary } = parts;
    if (json === undefined) this.infer(rawCall(binary, this.target, config), body);
    else if (json.length > maxSmallJsonBytes)
      void this.parseLong(json, (value) => this.#take(value, parts, body, beganMs));
    else this.#take(readInferJson(json, config.maxJsonDepth), parts, body, beganMs);
  }

  protected answer(call: OipCall, response: InferResponse): void {
    const { context, wire } = this;
    const { clock } = context.deps;
    const begun = clock.now();
    const { headers, body } = answer(call, response);
    const now = clock.now();
    if (typeof body === 'string') {
      const own: HeaderList = [];
      this.pushFacts(own, response);
      pushTiming(own, response.timing, this.parseMs, now - begun, now - this.startMs);
      send(context, wire, 200, jsonType, body, own);
    } else {
      this.pushFacts(headers, response);
      pushTiming(headers, response.timing, this.parseMs, now - begun, now - this.startMs);
      let size = 0;
      for (const chunk of body) size += chunk.byteLength;
      headers.push('content-length', String(size));
      finishHeaders(context, wire, headers);
      wire.answer(200, headers, body, size);
    }
    this.finish(response, clock.now());
  }

  protected answerError(thrown: unknown, headers: HeaderList): HotpathError {
    const { error, status, body } = errorAnswer(thrown);
    finishError(this.context, this.wire, error, headers);
    headers.push('hotpath-code', error.code);
    send(this.context, this.wire, status, jsonType, body, headers);
    return error;
  }

  #take(value: unknown, { json, binary }: SplitBody, body: Buffer, beganMs: number): void {
    const { clock, config } = this.context.deps;
    const call = jsonCall(value, binary, this.target, config, json);
    this.parseMs = clock.now() - beganMs;
    this.infer(call, body);
  }
}
