/** ModelInfer: one prediction. The hot path of the gRPC server; callbacks, because the core's promise is the only one it needs. */
import { HotpathError } from '../../../core/errors.ts';
import { type MessageSink, oneMessage, refuse, type ServerCall } from '../call.ts';
import type { Frame } from '../frame.ts';
import { InferRun, type RunReceiver } from './infer-run.ts';

export function modelInfer(call: ServerCall): MessageSink {
  const sink = new UnaryInfer(call);
  const entered = sink.run.enter();
  if (entered instanceof HotpathError) {
    sink.run.fail(entered);
    return refuse(call, entered);
  }
  call.context.receiving.add(call);
  if (entered !== undefined) sink.wait(entered);
  return sink;
}

class UnaryInfer implements MessageSink, RunReceiver {
  readonly run: InferRun;
  readonly #call: ServerCall;
  #message: Buffer | undefined;

  constructor(call: ServerCall) {
    this.#call = call;
    this.run = new InferRun(call, this, 'response', call.startMs);
  }

  /** Credentials seen for the first time are checked. Until then flow control keeps the message, and the deadline goes on. */
  wait(entered: Promise<HotpathError | undefined>): void {
    const { clock } = this.#call.context.deps;
    const leftMs = this.#remainingMs();
    const expire = () =>
      this.run.fail(new HotpathError('DEADLINE_EXCEEDED', 'The deadline passed before the credentials were checked.'));
    const timer = leftMs === undefined ? undefined : clock.after(Math.max(0, leftMs), expire);
    this.#call.pause();
    void entered.then((refusal) => {
      if (timer !== undefined) clock.clear(timer);
      if (refusal === undefined) this.#call.resume();
      else this.run.fail(refusal);
    });
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
    else this.run.start(message, this.#remainingMs());
  }

  onGone(error?: unknown): void {
    this.#call.context.receiving.delete(this.#call);
    this.run.abandon(error);
  }

  onAnswer(frame: Frame): void {
    this.#call.reply(frame);
  }

  onError(error: unknown): void {
    this.#call.context.receiving.delete(this.#call);
    this.#call.fail(error);
  }

  #remainingMs(): number | undefined {
    if (this.#call.timeoutMs === undefined) return undefined;
    return this.#call.remainingMs(this.#call.context.deps.clock.now());
  }
}
