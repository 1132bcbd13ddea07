/** An HTTP status of an upstream as a failure: what it means for the call and for the address. Messages are the upstream's own. */
import { type ErrorCode, HotpathError } from '../../core/errors.ts';
import { type FailureKind, UpstreamFailure } from './upstream-failure.ts';

interface Meaning {
  readonly kind: FailureKind;
  readonly code: ErrorCode;
}

const meanings: Readonly<Record<number, Meaning>> = {
  400: { kind: 'refused', code: 'INVALID_INPUT' },
  // One upstream of several may not have the model (yet).
  404: { kind: 'unavailable', code: 'MODEL_NOT_READY' },
  408: { kind: 'lost', code: 'MODEL_NOT_READY' },
  413: { kind: 'refused', code: 'PAYLOAD_TOO_LARGE' },
  415: { kind: 'refused', code: 'UNSUPPORTED' },
  422: { kind: 'refused', code: 'ENGINE_FAILED' },
  429: { kind: 'overloaded', code: 'OVERLOADED' },
  501: { kind: 'refused', code: 'UNSUPPORTED' },
  502: { kind: 'unavailable', code: 'MODEL_NOT_READY' },
  503: { kind: 'unavailable', code: 'MODEL_NOT_READY' },
  504: { kind: 'timeout', code: 'DEADLINE_EXCEEDED' },
};

const internal: Meaning = { kind: 'broken', code: 'ENGINE_FAILED' };

/** @param retryAfter the Retry-After header, in seconds; with it a 503 is a refusal for lack of capacity. */
export function failureOfHttp(status: number, body: Buffer, retryAfter: string | undefined): UpstreamFailure {
  const seconds = Number(retryAfter);
  const busy = status === 503 && retryAfter !== undefined && Number.isFinite(seconds);
  const { kind, code } = busy ? meanings[429]! : (meanings[status] ?? internal);
  const details = code === 'OVERLOADED' ? { retryAfterSeconds: seconds > 0 ? seconds : 1 } : undefined;
  return new UpstreamFailure(kind, new HotpathError(code, `The upstream says: ${sentence(status, body)}`, details));
}

/** `{"error": "..."}`, or `{"error": {"message": "..."}}`, or just the status. */
function sentence(status: number, body: Buffer): string {
  try {
    const { error } = JSON.parse(body.toString('utf8')) as { error?: string | { message?: string } };
    const said = typeof error === 'string' ? error : error?.message;
    if (typeof said === 'string' && said !== '') return said;
  } catch {
    // A proxy's own page.
  }
  return `status ${status}`;
}
