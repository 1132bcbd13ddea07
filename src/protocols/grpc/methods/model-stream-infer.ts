/**
 * ModelStreamInfer: many predictions on one stream. They run side by side, so that they can share batches, and are answered in
 * their order; what fails is answered with its error and the stream goes on. A client that sends faster than it is answered, or
 * does not take its answers, is held back by flow control.
 */
import { HotpathError, toHotpathError } from '../../../core/errors.ts';
import type { MessageSink, ServerCall } from '../call.ts';
import type { Frame } from '../frame.ts';
import { encodeStreamError } from '../infer-response.ts';
import { InferRun, type RunReceiver } from './infer-run.ts';

export function modelStreamInfer(call: ServerCall): MessageSink {
  return new StreamInfer(call);
}

class StreamInfer implements MessageSink {
  readonly #call: ServerCall;
  /** Asked and not yet answered, oldest first. */
  readonly #slots: Slot[] = [];
  readonly #forgetClosing: () => void;
  #ended = false;
  #paused = false;
  #blocked = false;
  #stopping = false;

  constructor(call: ServerCall) {
    this.#call = call;
    this.#forgetClosing = call.context.onClosing(() => this.#stop());
  }

  onMessage(message: Buffer): void {
    if (this.#stopping) return;
    const slot = new Slot(this.#call, this.#settled);
    this.#slots.push(slot);
    slot.start(message);
    this.#throttle();
  }

  onEnd(): void {
    this.#ended = true;
    this.#finishWhenDone();
  }

  onGone(): void {
    this.#forgetClosing();
    for (const slot of this.#slots.splice(0)) slot.run.abandon();
  }

  onDrain(): void {
    this.#blocked = false;
    this.#settled();
  }

  /** Sends what is answered, as far as all before it is. */
  readonly #settled = (): void => {
    while (!this.#blocked && this.#slots[0]?.frame !== undefined) {
      this.#blocked = !this.#call.send(this.#slots.shift()!.frame!);
    }
    this.#throttle();
    this.#finishWhenDone();
  };

  #throttle(): void {
    const full = this.#blocked || this.#slots.length >= this.#call.context.deps.config.grpcMaxStreamRequests;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#call.pause();
    else this.#call.resume();
  }

  #finishWhenDone(): void {
    if (this.#slots.length > 0 || !(this.#ended || this.#stopping)) return;
    this.#forgetClosing();
    if (this.#ended) this.#call.finish();
    else this.#call.fail(new HotpathError('SHUTTING_DOWN', 'The server is stopping; open the stream anew.'));
  }

  /** The server stops: what was asked is answered, and then the stream ends. */
  #stop(): void {
    this.#stopping = true;
    this.#finishWhenDone();
  }
}

/** The place of one request in the order of answers. */
class Slot implements RunReceiver {
  readonly run: InferRun;
  readonly #call: ServerCall;
  readonly #settled: () => void;
  frame: Frame | undefined;

  constructor(call: ServerCall, settled: () => void) {
    this.#call = call;
    this.#settled = settled;
    this.run = new InferRun(call, this, 'stream-response', call.context.deps.clock.now());
  }

  start(message: Buffer): void {
    const entered = this.run.enter();
    if (entered instanceof Promise) void entered.then((refusal) => this.#begin(message, refusal));
    else this.#begin(message, entered);
  }

  #begin(message: Buffer, refusal: HotpathError | undefined): void {
    if (refusal !== undefined) this.run.fail(refusal);
    else this.run.start(message, this.#call.remainingMs(this.#call.context.deps.clock.now()));
  }

  onAnswer(frame: Frame): void {
    this.frame = frame;
    this.#settled();
  }

  onError(thrown: unknown): void {
    const error = toHotpathError(thrown);
    // The key was revoked or the token has expired: nothing more of this stream can succeed.
    if (error.code === 'UNAUTHENTICATED') {
      this.#call.abort(error);
      return;
    }
    this.#call.context.logFailure(this.#call.path, thrown);
    this.frame = encodeStreamError(error.message, this.run.id);
    this.#settled();
  }
}
