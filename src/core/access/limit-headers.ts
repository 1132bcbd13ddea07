/**
 * The `ratelimit-*` headers (draft-ietf-httpapi-ratelimit-headers, the form in wide use): `limit`, `remaining` and `reset` of the limit
 * that is nearest to its end, `policy` of all of them. The unchanging parts are written once per caller.
 */

export interface LimitPolicy {
  readonly ratePerSecond: number | undefined;
  readonly burst: number;
  readonly perDay: number | undefined;
}

/** `100;w=1;burst=200, 100000;w=86400` */
export function policyText({ ratePerSecond, burst, perDay }: LimitPolicy): string {
  const parts: string[] = [];
  if (ratePerSecond !== undefined) {
    const rate =
      ratePerSecond >= 1
        ? `${Math.floor(ratePerSecond)};w=1`
        : `1;w=${Math.ceil(Number((1 / ratePerSecond).toFixed(6)))}`;
    parts.push(burst > Math.max(1, ratePerSecond) ? `${rate};burst=${burst}` : rate);
  }
  if (perDay !== undefined) parts.push(`${perDay};w=86400`);
  return parts.join(', ');
}

export function limitHeaders(limitText: string, policy: string, remaining: number, resetMs: number): readonly string[] {
  return [
    'ratelimit-limit',
    limitText,
    'ratelimit-remaining',
    `${remaining}`,
    'ratelimit-reset',
    `${Math.ceil(resetMs / 1000)}`,
    'ratelimit-policy',
    policy,
  ];
}
