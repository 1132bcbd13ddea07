/**
 * Asks who calls before the method sees anything of the call. For every method but ModelInfer, which is counted and asks by itself
 * (methods/infer-run.ts). While credentials are checked the client is held back by flow control: nothing is read, kept or lost.
 */
import { toHotpathError } from '../../core/errors.ts';
import type { RouteRole } from '../../ports/access.ts';
import type { Method } from './call.ts';
import { DeferredSink } from './deferred.ts';

export function guarded(role: RouteRole, method: Method): Method {
  if (role === 'public') return method;
  return (call) => {
    const { access, telemetry, clock } = call.context.deps;
    if (access === undefined) return method(call);
    const sink = new DeferredSink();
    call.pause();
    const refuse = (thrown: unknown) => {
      if (sink.isGone) return;
      const error = toHotpathError(thrown);
      telemetry.unroutedRequest('grpc', error.code, clock.now() - call.startMs);
      call.fail(error);
    };
    access.identify(call.credentials, role).then((caller) => {
      if (caller instanceof Error) refuse(caller);
      else if (!sink.isGone) {
        call.caller = caller;
        sink.attach(call, method);
        call.resume();
      }
    }, refuse);
    return sink;
  };
}
