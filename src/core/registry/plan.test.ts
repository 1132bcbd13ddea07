import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ProbeReport } from '../../ports/engine.ts';
import type { ModelConfig } from '../../ports/model-source.ts';
import { deriveMaxBatchSize, deriveSloMs, planModel } from './plan.ts';

function reportOf(singleRunMs: number | undefined, shape: readonly number[] = [-1, 4]): ProbeReport {
  return {
    signature: { inputs: [{ name: 'x', datatype: 'float32', shape }], outputs: [], skippedOutputs: [] },
    batch: { safe: true },
    singleRunMs,
    trialShapes: [[1, 4]],
    memoryBytes: 100,
    notes: ['from the probe'],
    executionProvider: 'cpu',
  };
}

function threads(singleRunMs: number | undefined, config: ModelConfig, cores: number): string {
  const plan = planModel(reportOf(singleRunMs), config, cores);
  return `${plan.instances} x ${plan.intraOpThreads}`;
}

const line = (perRowMs: number, fixedMs: number) => ({
  perRowMs,
  fixedMs,
  estimateMs: (rows: number) => perRowMs * rows + fixedMs,
});

describe('instances and threads', () => {
  it('gives a light or unmeasured model one of each', () => {
    for (const ms of [0.01, 1.99, undefined]) assert.equal(threads(ms, {}, 8), '1 x 1');
  });

  it('gives a heavy model all cores, at most 4 threads a run', () => {
    assert.deepEqual(
      [1, 2, 3, 4, 6, 8, 16].map((cores) => threads(20, {}, cores)),
      ['1 x 1', '1 x 2', '1 x 3', '1 x 4', '1 x 4', '2 x 4', '4 x 4'],
    );
  });

  it('derives the one that is not configured from the other', () => {
    assert.equal(threads(20, { intraOpThreads: 1 }, 8), '8 x 1');
    assert.equal(threads(20, { instances: 4 }, 8), '4 x 2');
    assert.equal(threads(0.1, { instances: 4 }, 8), '4 x 1');
    assert.equal(threads(0.1, { intraOpThreads: 2 }, 8), '1 x 2');
  });

  it('clamps what is configured to the cores, and says so', () => {
    const plan = planModel(reportOf(20), { instances: 8, intraOpThreads: 4 }, 4);
    assert.deepEqual([plan.instances, plan.intraOpThreads, plan.memoryBytes], [4, 1, 400]);
    assert.deepEqual(plan.notes, [
      'from the probe',
      'Configured instances and intraOpThreads exceed the 4 cores granted; running 4 x 1.',
    ]);
    assert.deepEqual(planModel(reportOf(20), { instances: 2, intraOpThreads: 2 }, 4).notes, ['from the probe']);
  });

  it('never takes more than the cores, and never nothing', () => {
    const count = fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined });
    const ms = fc.option(fc.double({ min: 0, max: 1e4, noNaN: true }), { nil: undefined });
    fc.assert(
      fc.property(
        ms,
        count,
        count,
        fc.integer({ min: 1, max: 128 }),
        (singleRunMs, instances, intraOpThreads, cores) => {
          const config: ModelConfig = {
            ...(instances === undefined ? {} : { instances }),
            ...(intraOpThreads === undefined ? {} : { intraOpThreads }),
          };
          const plan = planModel(reportOf(singleRunMs), config, cores);
          assert.ok(plan.instances >= 1 && plan.intraOpThreads >= 1);
          assert.ok(plan.instances * plan.intraOpThreads <= cores);
        },
      ),
    );
  });
});

describe('batching', () => {
  const unsafe: ProbeReport = { ...reportOf(1), batch: { safe: false, reason: 'Rows influence each other.' } };

  it('is on only where it was proven or forced', () => {
    assert.deepEqual(planModel(reportOf(1), {}, 1).batching, { enabled: true });
    assert.deepEqual(planModel(unsafe, {}, 1).batching, { enabled: false, reason: 'Rows influence each other.' });
    assert.deepEqual(planModel(unsafe, { batching: 'force' }, 1).batching, { enabled: true });
    assert.equal(planModel(reportOf(1), { batching: 'off' }, 1).batching.enabled, false);
  });

  it('cannot be forced on a fixed first axis', () => {
    assert.deepEqual(planModel(reportOf(1, [1, 3]), { batching: 'force' }, 1).batching, {
      enabled: false,
      reason: 'Input "x" has the shape [1, 3], whose first axis is not variable.',
    });
  });
});

describe('the largest batch', () => {
  it('is the smallest power of two where the fixed cost is 5 % of the batch', () => {
    // b / (a*B + b) <= 0.05 means B >= 19 b/a.
    assert.equal(deriveMaxBatchSize({}, line(1, 1), 1e9), 32);
    assert.equal(deriveMaxBatchSize({}, line(19, 16), 1e9), 16);
    assert.equal(deriveMaxBatchSize({}, line(1, 0), 1e9), 1);
    assert.equal(deriveMaxBatchSize({}, line(0, 1), 1e9), 256);
    // What a fixed cost of next to nothing says of a fast model may be noise.
    assert.equal(deriveMaxBatchSize({}, line(0.1, 0), 1e9), 32);
  });

  it('leaves room for the running batch in the SLO, and is never 0', () => {
    assert.equal(deriveMaxBatchSize({}, line(10, 100), 1000), 8);
    assert.equal(deriveMaxBatchSize({}, line(10_000, 1), 1000), 1);
  });

  it('is what the operator says, and 32 when nothing was measured', () => {
    assert.equal(deriveMaxBatchSize({ maxBatchSize: 1000 }, line(1, 0), 1), 1000);
    assert.equal(deriveMaxBatchSize({}, undefined, 1000), 32);
  });
});

describe('the SLO', () => {
  it('is configured, or the server’s, or ten single rows', () => {
    assert.equal(deriveSloMs({ sloMs: 5 }, 1000, 300), 5);
    assert.equal(deriveSloMs({}, 1000, 50), 1000);
    assert.equal(deriveSloMs({}, 1000, 300), 3000);
    assert.equal(deriveSloMs({}, 1000, undefined), 1000);
  });
});
