/** A gRPC status of an upstream as a failure: what it means for the call and for the address. Messages are the upstream's own. */
import { type ErrorCode, HotpathError } from '../../core/errors.ts';
import { type FailureKind, UpstreamFailure } from './upstream-failure.ts';

interface Meaning {
  readonly kind: FailureKind;
  readonly code: ErrorCode;
}

/** google.rpc.Code -> meaning. What is not listed is an internal error of the upstream. */
const meanings: Readonly<Record<number, Meaning>> = {
  // CANCELLED, and not by us: the upstream or a proxy gave up.
  1: { kind: 'unavailable', code: 'MODEL_NOT_READY' },
  3: { kind: 'refused', code: 'INVALID_INPUT' },
  4: { kind: 'timeout', code: 'DEADLINE_EXCEEDED' },
  // NOT_FOUND: one upstream of several may not have the model (yet).
  5: { kind: 'unavailable', code: 'MODEL_NOT_READY' },
  7: { kind: 'broken', code: 'ENGINE_FAILED' },
  8: { kind: 'overloaded', code: 'OVERLOADED' },
  9: { kind: 'refused', code: 'ENGINE_FAILED' },
  11: { kind: 'refused', code: 'INVALID_INPUT' },
  12: { kind: 'refused', code: 'UNSUPPORTED' },
  14: { kind: 'unavailable', code: 'MODEL_NOT_READY' },
};

const internal: Meaning = { kind: 'broken', code: 'ENGINE_FAILED' };

export interface GrpcTrailers {
  readonly status: number;
  /** Percent-encoded. */
  readonly message: string | undefined;
  readonly pushbackMs?: number | undefined;
}

export function failureOfStatus({ status, message, pushbackMs }: GrpcTrailers): UpstreamFailure {
  const { kind, code } = meanings[status] ?? internal;
  const said = message === undefined || message === '' ? `status ${status}` : decode(message);
  const details = code === 'OVERLOADED' ? { retryAfterSeconds: (pushbackMs ?? 1000) / 1000 } : undefined;
  return new UpstreamFailure(kind, new HotpathError(code, `The upstream says: ${said}`, details));
}

function decode(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
