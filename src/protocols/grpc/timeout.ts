/** The `grpc-timeout` header: at most eight digits and a unit. */
import { HotpathError } from '../../core/errors.ts';

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };

/** Milliseconds, with fractions; undefined without the header. @throws INVALID_INPUT. */
export function parseTimeout(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const match = /^(\d{1,8})([HMSmun])$/.exec(header);
  if (match === null) {
    throw new HotpathError('INVALID_INPUT', 'grpc-timeout: expected up to eight digits and one of H, M, S, m, u, n.', {
      field: 'grpc-timeout',
    });
  }
  return Number(match[1]) * unitMs[match[2]!]!;
}
