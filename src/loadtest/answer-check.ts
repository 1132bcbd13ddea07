/** Compares an answer with the expected one and says in words what differs. Used by the recorder on checked answers. */
import { unpack } from 'msgpackr';
import type { Expectation, JsonValue } from './load-job.ts';

/** Undefined when the body is right, else one sentence. */
export function findMistake(expectations: readonly Expectation[], body: Buffer): string | undefined {
  for (const expectation of expectations) {
    const mistake =
      expectation.kind === 'float32' ? compareFloats(expectation, body) : compareDocument(expectation, body);
    if (mistake !== undefined) return mistake;
  }
  return undefined;
}

function compareFloats(expected: Extract<Expectation, { kind: 'float32' }>, body: Buffer): string | undefined {
  const { values, tolerance } = expected;
  const start = body.length - values.length * 4;
  if (start < 0 || (start > 0 && expected.where !== 'end')) {
    return `${body.length} bytes instead of ${values.length * 4}`;
  }
  for (let i = 0; i < values.length; i++) {
    const got = body.readFloatLE(start + i * 4);
    if (!closeTo(got, values[i] as number, tolerance)) return `float ${i} is ${got} instead of ${values[i]}`;
  }
  return undefined;
}

function compareDocument(expected: Exclude<Expectation, { kind: 'float32' }>, body: Buffer): string | undefined {
  let found: unknown;
  try {
    found = expected.kind === 'json' ? JSON.parse(body.toString('utf8')) : unpack(body);
  } catch {
    return `the body is no ${expected.kind}`;
  }
  for (const key of expected.path) found = (found as Record<string | number, unknown> | null | undefined)?.[key];
  if (matches(found, expected.value, expected.tolerance)) return undefined;
  return `${expected.path.join('.')} is ${shorten(found)} instead of ${shorten(expected.value)}`;
}

function matches(found: unknown, expected: JsonValue, tolerance: number): boolean {
  if (typeof expected === 'number') return typeof found === 'number' && closeTo(found, expected, tolerance);
  if (typeof expected !== 'object' || expected === null) return found === expected;
  if (typeof found !== 'object' || found === null) return false;
  const keys = Object.keys(expected);
  if (Array.isArray(expected) && (found as { length?: number }).length !== expected.length) return false;
  return keys.every((key) =>
    matches((found as Record<string, unknown>)[key], (expected as Record<string, JsonValue>)[key]!, tolerance),
  );
}

function closeTo(found: number, expected: number, tolerance: number): boolean {
  return Math.abs(found - expected) <= tolerance * Math.max(1, Math.abs(expected));
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 80 ? `${text.slice(0, 80)}...` : text;
}
