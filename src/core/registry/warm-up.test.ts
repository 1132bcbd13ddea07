import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { EngineInstance } from '../../ports/engine.ts';
import { HotpathError } from '../errors.ts';
import { SimulatedClock } from '../simulated-clock.ts';
import type { Signature, Tensor } from '../tensor.ts';
import { learnCost, powersOfTwo, warmUp } from './warm-up.ts';

const signature: Signature = {
  inputs: [
    { name: 'x', datatype: 'float32', shape: [-1, 2] },
    { name: 'id', datatype: 'int64', shape: [-1] },
    { name: 'word', datatype: 'string', shape: [-1, 1] },
  ],
  outputs: [],
  skippedOutputs: [],
};

/** An instance whose runs take `costMs`, and a record of what it ran. */
function instanceOf(clock: SimulatedClock, costMs: (rows: number, run: number) => number) {
  const runs: (readonly Tensor[])[] = [];
  const instance: EngineInstance = {
    id: 0,
    available: true,
    onAvailable: undefined,
    run: async (inputs) => {
      runs.push(inputs);
      clock.advance(costMs(inputs[0]!.shape[0]!, runs.length));
      return { outputs: [], inferMs: 0 };
    },
  };
  return { instance, runs, rows: () => [...new Set(runs.map((inputs) => inputs[0]!.shape[0]))] };
}

function sweep(instances: EngineInstance[], clock: SimulatedClock, rows: number[], limitMs = 250) {
  const trialShapes = [[1, 2], [1], [1, 1]];
  return warmUp({ clock, instances, signature, trialShapes, rows, limitMs: () => limitMs });
}

describe('the warm-up sweep', () => {
  it('times every size with inputs of the right kind and shape', async () => {
    const clock = new SimulatedClock();
    const { instance, runs, rows } = instanceOf(clock, (count) => count * 0.5 + 2);
    const result = await sweep([instance], clock, powersOfTwo(8));
    assert.deepEqual(result, {
      samples: [1, 2, 4, 8].map((count) => ({ rows: count, ms: count * 0.5 + 2 })),
      failed: false,
      notes: [],
    });
    assert.deepEqual(rows(), [1, 2, 4, 8]);
    const last = runs.at(-1)!;
    assert.deepEqual([...(last[0]!.data as Float32Array)].slice(0, 3), [0, 1 / 16, 2 / 16]);
    assert.deepEqual(
      last.map((tensor) => [tensor.datatype, tensor.shape, tensor.data.length]),
      [
        ['float32', [8, 2], 16],
        ['int64', [8], 8],
        ['string', [8, 1], 8],
      ],
    );
    assert.equal(new Set(runs.map((inputs) => inputs[0]!.data)).size, runs.length);
  });

  it('throws the first run away and takes the median of the others', async () => {
    const clock = new SimulatedClock();
    const { instance } = instanceOf(clock, (_, run) => (run === 1 ? 40 : run === 3 ? 4 : 1));
    const { samples } = await sweep([instance], clock, [1]);
    assert.deepEqual(samples, [{ rows: 1, ms: 1 }]);
  });

  it('runs a slow model once a size, and ends behind the limit', async () => {
    const clock = new SimulatedClock();
    const { instance, runs } = instanceOf(clock, (count) => count * 100);
    const { samples } = await sweep([instance], clock, powersOfTwo(256));
    assert.deepEqual(
      samples.map(({ rows }) => rows),
      [1, 2, 4],
    );
    assert.equal(runs.length, 3);
  });

  it('ends when its time is over', async () => {
    const clock = new SimulatedClock();
    const { instance } = instanceOf(clock, () => 240);
    const { samples } = await sweep([instance], clock, powersOfTwo(256));
    assert.deepEqual(
      samples.map(({ rows }) => rows),
      [1, 2, 4, 8, 16],
    );
  });

  it('wakes the other instances once', async () => {
    const clock = new SimulatedClock();
    const first = instanceOf(clock, () => 1);
    const others = [instanceOf(clock, () => 1), instanceOf(clock, () => 1)];
    await sweep([first.instance, ...others.map(({ instance }) => instance)], clock, [1, 2]);
    assert.deepEqual(
      others.map(({ runs }) => runs.length),
      [1, 1],
    );
  });

  it('keeps what it has when a size fails, and says which', async () => {
    const clock = new SimulatedClock();
    const instance = instanceOf(clock, (count) => {
      if (count >= 4) throw new HotpathError('ENGINE_FAILED', 'no memory');
      return 1;
    });
    const { samples, failed, notes } = await sweep([instance.instance], clock, powersOfTwo(256));
    assert.deepEqual([samples.length, failed, notes], [2, true, ['The warm-up run with 4 rows failed: no memory']]);
  });

  it('gives the model up when its very first run kills the worker', async () => {
    const clock = new SimulatedClock();
    const { instance } = instanceOf(clock, () => {
      throw new HotpathError('ENGINE_CRASHED', 'the worker died');
    });
    await assert.rejects(sweep([instance], clock, [1]), { code: 'ENGINE_CRASHED' });
  });

  it('never asks for runs beyond 32 MiB', async () => {
    const clock = new SimulatedClock();
    const { instance, rows } = instanceOf(clock, () => 0.01);
    const wide: Signature = { ...signature, inputs: [{ name: 'x', datatype: 'float32', shape: [-1, 1 << 19] }] };
    const trialShapes = [[1, 1 << 19]];
    await warmUp({
      clock,
      instances: [instance],
      signature: wide,
      trialShapes,
      rows: powersOfTwo(256).filter((count) => count >= 16),
      limitMs: () => 1e9,
    });
    assert.deepEqual(rows(), [16]);
  });
});

describe('the cost learned from the sweep', () => {
  it('is the line through the samples, however far apart they are', () => {
    for (const rows of [powersOfTwo(256), [1, 64], [1, 2]]) {
      const cost = learnCost(
        rows.map((count) => ({ rows: count, ms: 0.3 * count + 8 })),
        undefined,
      );
      assert.ok(Math.abs(cost.perRowMs - 0.3) < 1e-9 && Math.abs(cost.fixedMs - 8) < 1e-6, String(rows));
    }
  });

  it('falls back to the probe’s run', () => {
    assert.equal(learnCost([], 7).expectMs(1), 7);
    assert.equal(learnCost([{ rows: 1, ms: 3 }], 7).expectMs(1), 3);
  });
});
