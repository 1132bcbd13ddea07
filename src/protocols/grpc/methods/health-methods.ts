/** grpc.health.v1: Check, and Watch by looking again while somebody watches. */
import { HotpathError } from '../../../core/errors.ts';
import type { TimerHandle } from '../../../ports/clock.ts';
import { type Method, oneMessage, type ServerCall, unary } from '../call.ts';
import type { GrpcContext } from '../context.ts';
import { frameOf } from '../frame.ts';
import { readMessage, writeMessage } from '../messages.ts';
import type { MethodsOf } from '../method-roles.ts';

type Serving = 'SERVING' | 'NOT_SERVING' | 'SERVICE_UNKNOWN';

const responseType = 'grpc.health.v1.HealthCheckResponse';
const lookEveryMs = 500;

/** `services`: the names that may be asked for; empty is the server as a whole. */
export function healthMethods(context: GrpcContext, services: readonly string[]): MethodsOf<'health', Method> {
  const statusOf = (service: string): Serving => {
    if (service !== '' && !services.includes(service)) return 'SERVICE_UNKNOWN';
    return context.deps.health().state === 'ready' && !context.closing ? 'SERVING' : 'NOT_SERVING';
  };
  return {
    Check: unary(async (message) => {
      const service = readService(message);
      const status = statusOf(service);
      if (status !== 'SERVICE_UNKNOWN') return writeMessage(responseType, { status });
      throw new HotpathError('NOT_FOUND', `service: the server has none of the name "${service.slice(0, 100)}".`);
    }),
    Watch: (call) => {
      let watch: Watch | undefined;
      return {
        onMessage(message) {
          if (watch !== undefined) throw oneMessage();
          const service = readService(message);
          watch = new Watch(call, () => statusOf(service));
        },
        onEnd() {
          if (watch === undefined) call.fail(oneMessage());
        },
        onGone() {
          watch?.stop();
        },
      };
    },
  };
}

function readService(message: Buffer): string {
  return readMessage<{ readonly service: string }>('grpc.health.v1.HealthCheckRequest', message).service;
}

class Watch {
  readonly #call: ServerCall;
  readonly #status: () => Serving;
  readonly #forgetClosing: () => void;
  #sent: Serving | undefined;
  #timer: TimerHandle | undefined;

  constructor(call: ServerCall, status: () => Serving) {
    this.#call = call;
    this.#status = status;
    this.#forgetClosing = call.context.onClosing(() => this.#end());
    this.#look();
  }

  stop(): void {
    this.#forgetClosing();
    if (this.#timer !== undefined) this.#call.context.deps.clock.clear(this.#timer);
  }

  readonly #look = (): void => {
    this.#tell();
    this.#timer = this.#call.context.deps.clock.after(lookEveryMs, this.#look);
  };

  #tell(): void {
    const status = this.#status();
    if (status === this.#sent) return;
    this.#sent = status;
    this.#call.send(frameOf(writeMessage(responseType, { status })));
  }

  /** The server stops: watchers learn it before their stream ends. */
  #end(): void {
    this.#tell();
    this.stop();
    this.#call.fail(new HotpathError('SHUTTING_DOWN', 'The server is stopping; watch another.'));
  }
}
