import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../core/seeded-random.ts';
import type { Datatype, Signature, Tensor } from '../../core/tensor.ts';
import { checkBatching } from './batch-check.ts';

/** A model as a function from a matrix of rows to a matrix of rows. */
type Model = (rows: number[][]) => number[][];

function signatureOf(datatype: Datatype = 'float32', outShape: readonly number[] = [-1, 2]): Signature {
  return {
    inputs: [{ name: 'x', datatype, shape: [-1, 2] }],
    outputs: [{ name: 'y', datatype: 'float32', shape: outShape }],
    skippedOutputs: [],
  };
}

async function check(model: Model, signature = signatureOf(), timeLeftMs = () => 1e6) {
  const { batch, notes } = await checkBatching({
    signature,
    shapes: [[1, 2]],
    random: seededRandom(7),
    timeLeftMs,
    run: async ([x]) => [fromRows(model(toRows(x!)))],
  });
  return { safe: batch.safe, reason: batch.safe ? '' : batch.reason, notes };
}

function toRows({ shape, data }: Tensor): number[][] {
  return Array.from({ length: shape[0]! }, (_, row) => [Number(data[2 * row]), Number(data[2 * row + 1])]);
}

function fromRows(rows: number[][]): Tensor {
  return { datatype: 'float32', shape: [rows.length, rows[0]?.length ?? 0], data: Float32Array.from(rows.flat()) };
}

const total = (rows: number[][], column: number): number => rows.reduce((sum, row) => sum + row[column]!, 0);

describe('checkBatching', () => {
  it('accepts a model that treats each row by itself', async () => {
    assert.deepEqual(await check((rows) => rows.map(([a, b]) => [a! * b!, a! - b!])), {
      safe: true,
      reason: '',
      notes: [],
    });
  });

  it('accepts rounding that depends on the batch', async () => {
    const { safe } = await check((rows) => rows.map(([a, b]) => [a! * (1 + rows.length * 1e-6), b!]));
    assert.equal(safe, true);
  });

  it('accepts NaN where the single row gives NaN too', async () => {
    const { safe } = await check((rows) => rows.map(([a, b]) => [Math.sqrt(a!), b!]));
    assert.equal(safe, true);
  });

  const mixing: Record<string, Model> = {
    'a softmax over the rows': (rows) => {
      const sum = rows.reduce((all, [a]) => all + Math.exp(a!), 0);
      return rows.map(([a, b]) => [Math.exp(a!) / sum, b!]);
    },
    'a mean over the rows': (rows) => rows.map(([a, b]) => [a! - total(rows, 0) / rows.length, b!]),
    'sorting the rows': (rows) => [...rows].sort((p, q) => p[0]! - q[0]!),
    'reversing the rows': (rows) => [...rows].reverse(),
    'a running sum': (rows) => rows.map((_, index) => [total(rows.slice(0, index + 1), 0), total(rows, 1)]),
    'the place in the batch': (rows) => rows.map(([a, b], index) => [a! + index, b!]),
    'the last row’s neighbour': (rows) => rows.map(([a, b], index) => [a!, index === 4 ? rows[0]![1]! : b!]),
    'a scale over the whole batch': (rows) => {
      const scale = Math.max(...rows.flat().map(Math.abs)) / 127;
      return rows.map((row) => row.map((value) => Math.round(value / scale) * scale));
    },
  };
  for (const [name, model] of Object.entries(mixing)) {
    it(`refuses ${name}`, async () => {
      const { safe, reason } = await check(model);
      assert.equal(safe, false);
      assert.match(reason, /Output y of a row depends on the rows beside it/);
    });
  }

  it('refuses an output that is not one row per row', async () => {
    assert.match((await check((rows) => rows.flatMap((row) => [row, row]))).reason, /Output y has 2 rows for one row/);
    const pairs: Model = (rows) => rows.slice(0, Math.ceil(rows.length / 2));
    assert.match((await check(pairs)).reason, /Output y has shape \[1, 2\] for 2 rows/);
  });

  it('refuses answers that differ from run to run', async () => {
    let runs = 0;
    assert.match((await check((rows) => rows.map(([a, b]) => [a! + runs++, b!]))).reason, /between two runs/);
  });

  it('refuses joined rows that the model throws at', async () => {
    const single: Model = (rows) => {
      if (rows.length > 1) throw new Error('one row only');
      return rows;
    };
    assert.match((await check(single)).reason, /not joined\. one row only/);
  });

  it('tries larger values where small ones tell no rows apart', async () => {
    const threshold: Model = (rows) => rows.map(([a]) => [a! > 40 ? 1 : 0, 0]);
    assert.equal((await check(threshold)).safe, true);
    const leaking: Model = (rows) => rows.map(() => [total(rows, 0) > 40 ? 1 : 0, 0]);
    assert.equal((await check(leaking)).safe, false);
  });

  it('is not satisfied by a model that always says the same', async () => {
    assert.match((await check((rows) => rows.map(() => [1, 2]))).reason, /same answer for all trial rows/);
  });

  it('says so when the model refuses every trial row, or the time is up', async () => {
    const refusing: Model = () => {
      throw new Error('no');
    };
    assert.match((await check(refusing)).reason, /refused the trial rows/);
    assert.match(
      (
        await check(
          (rows) => rows,
          signatureOf(),
          () => 0,
        )
      ).reason,
      /too slow/,
    );
  });

  it('compares integers exactly', async () => {
    const signature: Signature = {
      ...signatureOf('int64'),
      outputs: [{ name: 'y', datatype: 'int64', shape: [-1, 2] }],
    };
    const run = (bump: number) => async (inputs: readonly Tensor[]) => {
      const [x] = inputs;
      const data = (x!.data as BigInt64Array).map((value) => value * 100000n + BigInt(x!.shape[0]! > 1 ? bump : 0));
      return [{ datatype: 'int64' as const, shape: x!.shape, data }];
    };
    const base = { signature, shapes: [[1, 2]], random: seededRandom(1), timeLeftMs: () => 1e6 };
    assert.equal((await checkBatching({ ...base, run: run(0) })).batch.safe, true);
    assert.equal((await checkBatching({ ...base, run: run(1) })).batch.safe, false);
  });

  const forbidden: [string, Signature, RegExp][] = [
    ['no inputs', { ...signatureOf(), inputs: [] }, /no inputs/],
    [
      'a fixed first input dimension',
      { ...signatureOf(), inputs: [{ name: 'x', datatype: 'float32', shape: [1, 2] }] },
      /Input x has a fixed first dimension: \[1, 2\]/,
    ],
    [
      'a scalar input',
      { ...signatureOf(), inputs: [{ name: 'x', datatype: 'float32', shape: [] }] },
      /Input x is a single value/,
    ],
    ['a fixed first output dimension', signatureOf('float32', [2, 2]), /Output y has a fixed first dimension/],
  ];
  for (const [name, signature, reason] of forbidden) {
    it(`refuses ${name} without running anything`, async () => {
      const model: Model = () => assert.fail('must not run');
      assert.match((await check(model, signature)).reason, reason);
    });
  }

  it('lets running decide where the output’s rank is unknown', async () => {
    assert.equal((await check((rows) => rows, signatureOf('float32', []))).safe, true);
  });
});
