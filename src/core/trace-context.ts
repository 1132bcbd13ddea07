/**
 * W3C Trace Context (https://www.w3.org/TR/trace-context/): reads the `traceparent` header and writes the one passed on. Pure; called by
 * protocols once per request that brings the header. A header that is not valid is treated as absent, as the standard demands.
 */
import type { Random } from '../ports/clock.ts';

export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** 16 lower-case hex digits, not all zero: the span of who sent the header. */
  readonly parentId: string;
  readonly sampled: boolean;
}

/** Version 00 is exactly this long; a later one may only append fields after another dash. */
const length00 = 55;
const pattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-|$)/;
const zeroTrace = '0'.repeat(32);
const zeroSpan = '0'.repeat(16);

/** @returns undefined when the header is absent or not valid. */
export function parseTraceparent(header: string | undefined): TraceContext | undefined {
  // Longer headers are legal in later versions only; 512 bounds the work.
  if (header === undefined || header.length < length00 || header.length > 512) return undefined;
  const match = pattern.exec(header);
  if (match === null) return undefined;
  const [, version, traceId, parentId, flags] = match as unknown as [string, string, string, string, string];
  if (version === 'ff' || (version === '00' && header.length !== length00)) return undefined;
  if (traceId === zeroTrace || parentId === zeroSpan) return undefined;
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** A version 00 header. Flags other than `sampled` are not passed on: what they mean is not known here. */
export function formatTraceparent({ traceId, parentId, sampled }: TraceContext): string {
  return `00-${traceId}-${parentId}-${sampled ? '01' : '00'}`;
}

/** The same trace with a new span id of our own as the parent of what follows. */
export function childContext(context: TraceContext, random: Random): TraceContext {
  return { ...context, parentId: randomSpanId(random) };
}

/** 16 hex digits, never all zero. */
export function randomSpanId(random: Random): string {
  const id = hex32(random) + hex32(random);
  return id === zeroSpan ? '0000000000000001' : id;
}

const hex32 = (random: Random): string =>
  Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
