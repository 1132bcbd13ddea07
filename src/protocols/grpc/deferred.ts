/** Methods whose code is loaded with the first call; what arrives until then is kept and given to the method in its order. */
import type { MessageSink, Method, ServerCall } from './call.ts';

/** `load` is called once, and again by the next call if it failed. */
export function deferred(load: () => Promise<(path: string) => Method>): Method {
  let loading: Promise<(path: string) => Method> | undefined;
  let methodOf: ((path: string) => Method) | undefined;
  return (call) => {
    if (methodOf !== undefined) return methodOf(call.path)(call);
    const sink = new DeferredSink();
    loading ??= load();
    loading.then(
      (loaded) => {
        methodOf = loaded;
        sink.attach(call, loaded(call.path));
      },
      (error: unknown) => {
        loading = undefined;
        if (!sink.isGone) call.fail(error);
      },
    );
    return sink;
  };
}

/** Keeps what arrives until it is told the method. */
export class DeferredSink implements MessageSink {
  #sink: MessageSink | undefined;
  #messages: Buffer[] = [];
  #isEnded = false;
  isGone = false;

  attach(call: ServerCall, method: Method): void {
    if (this.isGone) return;
    try {
      const sink = method(call);
      this.#sink = sink;
      for (const message of this.#messages) sink.onMessage(message);
      if (this.#isEnded) sink.onEnd();
    } catch (error) {
      call.fail(error);
    }
    this.#messages = [];
  }

  onMessage(message: Buffer): void {
    if (this.#sink === undefined) this.#messages.push(message);
    else this.#sink.onMessage(message);
  }

  onEnd(): void {
    this.#isEnded = true;
    this.#sink?.onEnd();
  }

  onGone(error?: unknown): void {
    this.isGone = true;
    this.#sink?.onGone(error);
  }

  onDrain(): void {
    this.#sink?.onDrain?.();
  }
}
