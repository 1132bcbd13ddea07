/** ModelInfer: one prediction. The hot path of the gRPC server; callbacks, because the core's promise is the only one it needs. */
import { type MessageSink, oneMessage, refuse, type ServerCall } from '../call.ts';
import type { Frame } from '../frame.ts';
import { InferRun, type RunReceiver } from './infer-run.ts';

export function modelInfer(call: ServerCall): MessageSink {
  const sink = new UnaryInfer(call);
  const refusal = sink.run.enter();
  if (refusal !== undefined) {
    sink.run.fail(refusal);
    return refuse(call, refusal);
  }
  call.context.receiving.add(call);
  return sink;
}

class UnaryInfer implements MessageSink, RunReceiver {
  readonly run: InferRun;
  readonly #call: ServerCall;
  #message: Buffer | undefined;

  constructor(call: ServerCall) {
    this.#call = call;
    this.run = new InferRun(call.context, this, 'response', call.peer, call.startMs);
  }

  onMessage(message: Buffer): void {
    if (this.#message !== undefined) throw oneMessage();
    this.#message = message;
  }

  onEnd(): void {
    const { context } = this.#call;
    context.receiving.delete(this.#call);
    const message = this.#message;
    if (message === undefined) this.run.fail(oneMessage());
    else this.run.start(message, this.#call.timeoutMs === undefined ? undefined : this.#remainingMs());
  }

  onGone(error?: unknown): void {
    this.#call.context.receiving.delete(this.#call);
    this.run.abandon(error);
  }

  onAnswer(frame: Frame): void {
    this.#call.reply(frame);
  }

  onError(error: unknown): void {
    this.#call.fail(error);
  }

  #remainingMs(): number | undefined {
    return this.#call.remainingMs(this.#call.context.deps.clock.now());
  }
}
