/**
 * Asking a cached runner for rows and checking what it answers, over the real digest and the real memory tier. For the tests of
 * `cached-runner.ts`; the world around it is that of `cache-world.ts`.
 */
import assert from 'node:assert/strict';
import { createKeyDigest } from '../../adapters/key-digest.ts';
import { MemoryCache } from '../../adapters/memory/memory-cache.ts';
import type { CacheConfig } from '../../ports/cache-config.ts';
import type { SubmitOptions } from '../batching/batcher.ts';
import type { BatchAnswer } from '../batching/ticket.ts';
import type { CachedRunner } from '../cache/cached-runner.ts';
import type { HotpathError } from '../errors.ts';
import type { Runner } from '../runner.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import type { Tensor } from '../tensor.ts';
import { type CacheWorld, type CacheWorldOptions, cacheWorld, FakeStore, settle } from './cache-world.ts';

const digest = createKeyDigest();

export const world = (options: Partial<CacheWorldOptions> = {}) =>
  cacheWorld({ digest, memory: new MemoryCache(10_000_000), ...options });

export const rowsOf = (...rows: readonly number[]): Tensor[] => [
  { datatype: 'float32', shape: [rows.length, 2], data: new Float32Array(rows.flatMap((row) => [row, row + 0.5])) },
];

export function ask(
  runner: Runner,
  { clock }: CacheWorld,
  rows: readonly number[],
  options: Partial<SubmitOptions> = {},
) {
  return runner.submit(rowsOf(...rows), {
    priority: 0,
    arrivalMs: clock.now(),
    timeoutMs: undefined,
    solo: false,
    cancel: undefined,
    ...options,
  });
}

/** The answer is that of these rows, in their order. */
export function check({ outputs }: BatchAnswer, rows: readonly number[]): void {
  assert.deepEqual(
    outputs.map(({ shape }) => shape),
    [[rows.length, 2], [rows.length]],
  );
  assert.deepEqual(
    Array.from(outputs[0]!.data as Float32Array),
    rows.flatMap((row) => [row * 10, (row + 0.5) * 10]),
  );
  assert.deepEqual(outputs[1]!.data, rows.map(String));
}

/** Asks and waits; the answer is right and its rows came from where `outcome` says. */
export async function expect(runner: Runner, at: CacheWorld, rows: readonly number[], outcome: string, options = {}) {
  const pending = ask(runner, at, rows, options);
  await settle(at.clock);
  const answer = await pending;
  check(answer, rows);
  assert.equal(answer.cache, outcome);
  return answer;
}

export const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => 'OK',
    (error: HotpathError) => error.code,
  );

export const flightsOf = (runner: Runner) => (runner as CachedRunner).flights;

/** A runner with memory before a Redis and a database, or with the tiers that `config` names. */
export function twoTiers(config: CacheConfig = {}, withLeases = false) {
  const clock = new SimulatedClock(1000);
  const redis = new FakeStore('redis', clock, withLeases);
  const database = new FakeStore('database', clock);
  const at = world({ clock, stores: [redis, database] });
  const runner = at.wrap({ tiers: ['memory', 'redis', 'database'], jitter: 0, ...config });
  return { at, redis, database, runner };
}
