/** The pool's own rules under random failures, with transports whose every answer the test decides. Real servers: test/integration. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { HotpathError } from '../../core/errors.ts';
import { seededRandom } from '../../core/seeded-random.ts';
import { SimulatedClock } from '../../core/simulated-clock.ts';
import type { Tensor } from '../../core/tensor.ts';
import type { BalanceKind } from '../../ports/upstream-config.ts';
import { adviseRetry } from './retry.ts';
import type { InferJob, Transport } from './transport.ts';
import { type FailureKind, UpstreamFailure, verdictOf } from './upstream-failure.ts';
import { UpstreamPool } from './upstream-pool.ts';
import type { UpstreamSettings } from './upstream-settings.ts';

type Outcome = 'answer' | FailureKind;

const retry = { attempts: 2, afterConnectionLost: true };
const job: InferJob = {
  model: 'm',
  version: '',
  signature: { inputs: [], outputs: [], skippedOutputs: [] },
  inputs: [],
  outputs: [],
};

interface Call {
  readonly address: number;
  settle(outcome: Outcome): void;
}

function setUp(count: number, maxInFlight: number, balance: BalanceKind, seed: number) {
  const clock = new SimulatedClock();
  const open: Call[] = [];
  const log: { address: number; outcome: Outcome }[] = [];
  const quiet = () => {};
  const settings: UpstreamSettings = {
    addresses: Array.from({ length: count }, (_, index) => ({
      address: `grpc://${index}`,
      protocol: 'grpc',
      secure: false,
      hostname: String(index),
      port: 1,
      weight: index,
      minConnections: 0,
      maxConnections: 1,
    })),
    model: 'm',
    version: '',
    balance,
    timeoutMs: 1000,
    healthIntervalMs: 0,
    maxInFlightPerAddress: maxInFlight,
    retry,
    breaker: { failures: 3, openMs: 50 },
    ejection: { failures: 2, baseMs: 20, maxMs: 100, maxPercent: 50 },
  };
  const pool = new UpstreamPool({
    name: 'm',
    version: '1',
    settings,
    maxInFlightPerAddress: maxInFlight,
    clock,
    random: seededRandom(seed),
    logger: { debug: quiet, info: quiet, warn: quiet, error: quiet },
    createTransport: (target) => scripted(Number(target.hostname), open, log),
  });
  return { clock, open, log, pool };
}

function scripted(address: number, open: Call[], log: { address: number; outcome: Outcome }[]): Transport {
  const none = { size: 0, inUse: 0, idle: 0, waiting: 0 };
  return {
    infer: () =>
      new Promise<readonly Tensor[]>((resolve, reject) => {
        open.push({
          address,
          settle(outcome) {
            log.push({ address, outcome });
            if (outcome === 'answer') resolve([]);
            else reject(new UpstreamFailure(outcome, new HotpathError('MODEL_NOT_READY', outcome)));
          },
        });
      }),
    serverReady: async () => true,
    metadata: () => assert.fail('not asked for'),
    connections: () => none,
    reset() {},
    close() {},
  };
}

/** Lets everything run that waits for nothing but promises. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

describe('a pool of upstreams', () => {
  it('settles every call, within the limits in flight, and after no more attempts than allowed', async () => {
    const kinds = Object.keys(verdictOf) as FailureKind[];
    const outcome = fc.oneof(fc.constant<Outcome>('answer'), fc.constantFrom<Outcome>(...kinds));
    const world = fc.record({
      count: fc.integer({ min: 1, max: 4 }),
      maxInFlight: fc.integer({ min: 1, max: 3 }),
      balance: fc.constantFrom<BalanceKind>('round-robin', 'least-in-flight', 'weighted', 'random-of-two'),
      seed: fc.integer(),
      steps: fc.array(fc.record({ calls: fc.nat(4), which: fc.nat(20), outcome, waitMs: fc.nat(30) }), {
        maxLength: 40,
      }),
    });
    await fc.assert(
      fc.asyncProperty(world, async ({ count, maxInFlight, balance, seed, steps }) => {
        const { clock, open, log, pool } = setUp(count, maxInFlight, balance, seed);
        let asked = 0;
        let settled = 0;
        const finish = (which: number, end: Outcome) => open.splice(which % open.length, 1)[0]!.settle(end);
        const check = () => {
          for (const { inFlight } of pool.status().addresses) assert.ok(inFlight >= 0 && inFlight <= maxInFlight);
        };
        for (const { calls, which, outcome: end, waitMs } of steps) {
          for (let call = 0; call < calls; call++) {
            asked++;
            pool.infer(job, undefined).then(
              () => settled++,
              (error) => {
                assert.ok(error instanceof UpstreamFailure);
                settled++;
              },
            );
          }
          if (open.length > 0) finish(which, end);
          await settle();
          check();
          clock.advance(waitMs);
        }
        for (let round = 0; settled < asked && round < 500; round++) {
          if (open.length > 0) finish(0, 'answer');
          await settle();
          check();
        }
        assert.equal(settled, asked);
        assert.equal(pool.status().waiting, 0);
        assert.ok(log.length <= asked * (1 + retry.attempts));
        pool.close();
      }),
      { numRuns: 150 },
    );
  });

  it('sends a call that was not processed elsewhere, and to the same address only after a lost connection', async () => {
    for (const [kind, count, expected] of [
      ['unavailable', 3, 3],
      ['unavailable', 1, 1],
      ['lost', 1, 3],
      ['lost', 2, 3],
      ['broken', 3, 1],
    ] as const) {
      const { open, log, pool } = setUp(count, 4, 'round-robin', 1);
      const failing = assert.rejects(pool.infer(job, undefined), { kind });
      for (let round = 0; round < 5; round++) {
        open.shift()?.settle(kind);
        await settle();
      }
      await failing;
      assert.equal(log.length, expected, `${kind} with ${count}`);
      const addresses = new Set(log.map(({ address }) => address));
      assert.equal(addresses.size, Math.min(count, expected), `${kind} with ${count}`);
      assert.equal(adviseRetry(kind, 1, retry) === 'no', expected === 1 && count > 1);
      pool.close();
    }
  });

  it('prefers an address in doubt to none, but not one whose breaker is open', async () => {
    const { open, clock, pool } = setUp(2, 4, 'round-robin', 1);
    const fail = async (kind: FailureKind) => {
      const failing = assert.rejects(pool.infer(job, undefined));
      for (let round = 0; round < 4; round++) {
        open.shift()?.settle(kind);
        await settle();
      }
      await failing;
    };
    while (pool.status().addresses.some(({ breaker }) => breaker === 'closed')) await fail('unavailable');
    await assert.rejects(pool.infer(job, undefined), { message: 'All 2 upstreams of the model are down.' });
    assert.equal(open.length, 0);
    clock.advance(50);
    const trying = [pool.infer(job, undefined), pool.infer(job, undefined)];
    await assert.rejects(pool.infer(job, undefined), { message: 'All 2 upstreams of the model are down.' });
    assert.equal(open.length, 2);
    for (const call of open.splice(0)) call.settle('answer');
    await Promise.all(trying);
    assert.ok(pool.status().addresses.every(({ breaker }) => breaker === 'closed'));
    pool.close();
  });
});
