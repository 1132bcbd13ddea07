/**
 * The promise of batching: whoever shares a batch, every caller gets the answer of asking alone. Through the real server, the
 * real runtime, and batches as they happen.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { writeModelRepository } from '../../bench/models.ts';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { modelFolder, post, serve, type TestServer } from './support/serve.ts';

type Row = number[];

interface Subject {
  readonly model: 'mlp512' | 'iris';
  makeRow(random: () => number): Row;
}

const mlp: Subject = {
  model: 'mlp512',
  makeRow: (random) => Array.from({ length: 512 }, () => Math.fround(2 * random() - 1)),
};
const iris: Subject = {
  model: 'iris',
  makeRow: (random) => [4 + 4 * random(), 2 + 2.5 * random(), 1 + 6 * random(), 2.5 * random()].map(Math.fround),
};

interface Answered {
  /** One list of numbers per row: the logits, or label and probabilities. */
  readonly rows: readonly (readonly number[])[];
  readonly batchRows: number;
}

const callers = 64;

async function withServer(use: (server: TestServer) => Promise<void>): Promise<void> {
  const models = await modelFolder();
  await writeModelRepository(models, ['mlp512', 'iris']);
  // The property is equality: no request may be refused for the pace of the machine that checks it.
  const server = await serve(models, { sloMs: '30000' });
  try {
    await use(server);
  } finally {
    await server.stop();
  }
}

async function ask(server: TestServer, model: string, rows: readonly Row[], options?: object): Promise<Answered> {
  const { status, body } = await post(`${server.url}/api/v1/predict/batch`, { model, instances: rows, options });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.count, rows.length);
  const { predictions, probabilities } = body;
  const values = rows.map((_, index) => [predictions[index], probabilities?.[index] ?? []].flat());
  return { rows: values, batchRows: body.timing.batchRows };
}

/** Rows of the answers by their solo answers, each row asked alone and with batching off. */
async function askAlone(server: TestServer, model: string, rows: readonly Row[]): Promise<(readonly number[])[]> {
  const alone: (readonly number[])[] = [];
  for (const row of rows) {
    const answer = await ask(server, model, [row], { batching: 'off' });
    assert.equal(answer.batchRows, 1);
    alone.push(answer.rows[0]!);
  }
  return alone;
}

function assertSame(joined: readonly number[], alone: readonly number[]): void {
  assert.equal(joined.length, alone.length);
  for (const [index, value] of joined.entries()) {
    const allowed = 1e-5 * Math.max(1, Math.abs(alone[index]!));
    assert.ok(Math.abs(value - alone[index]!) <= allowed, `${value} joined, ${alone[index]} alone`);
  }
}

/** Sum and count of hotpath_batch_size for a model. */
async function batchesOf(server: TestServer, model: string): Promise<{ rows: number; batches: number }> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  const read = (suffix: string): number => {
    const line = text
      .split('\n')
      .find((each) => each.startsWith(`hotpath_batch_size_${suffix}{`) && each.includes(model));
    return line === undefined ? 0 : Number(line.split(' ').at(-1));
  };
  return { rows: read('sum'), batches: read('count') };
}

for (const subject of [mlp, iris]) {
  test(`64 callers of ${subject.model} with rows of their own get their solo answers out of shared batches`, async () => {
    await withServer(async (server) => {
      const random = seededRandom(64);
      const rows = Array.from({ length: callers }, () => subject.makeRow(random));
      const alone = await askAlone(server, subject.model, rows);
      assert.equal(new Set(alone.map(String)).size > callers / 4, true, 'the rows differ too little to be told apart');
      const before = await batchesOf(server, subject.model);
      const answers = await Promise.all(rows.map((row) => ask(server, subject.model, [row])));
      for (const [index, answer] of answers.entries()) assertSame(answer.rows[0]!, alone[index]!);
      const after = await batchesOf(server, subject.model);
      assert.equal(after.rows - before.rows, callers);
      assert.ok(after.batches - before.batches < callers, 'no two requests shared a batch');
      assert.ok(answers.some(({ batchRows }) => batchRows > 1));
    });
  });
}

test('whatever the requests are made of, every row’s answer is its solo answer', async () => {
  await withServer(async (server) => {
    const random = seededRandom(5);
    const subjects = [mlp, iris].map(({ model, makeRow }) => ({
      model,
      pool: Array.from({ length: 32 }, () => makeRow(random)),
    }));
    const solo = new Map<string, (readonly number[])[]>();
    for (const { model, pool } of subjects) solo.set(model, await askAlone(server, model, pool));
    let joined = 0;
    // One request: which model, and which 1 to 5 rows of the pool, in any order and also twice.
    const request = fc.record({
      subject: fc.integer({ min: 0, max: 1 }),
      picks: fc.array(fc.integer({ min: 0, max: 31 }), { minLength: 1, maxLength: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(request, { minLength: callers, maxLength: callers }), async (requests) => {
        await Promise.all(
          requests.map(async ({ subject, picks }) => {
            const { model, pool } = subjects[subject]!;
            const answer = await ask(
              server,
              model,
              picks.map((pick) => pool[pick]!),
            );
            if (answer.batchRows > picks.length) joined++;
            for (const [index, pick] of picks.entries()) assertSame(answer.rows[index]!, solo.get(model)![pick]!);
          }),
        );
      }),
      { numRuns: 12, seed: 20_260, endOnFailure: true },
    );
    assert.ok(joined > callers, `${joined} requests shared a batch with another`);
  });
});

test('a request larger than the largest batch is split, and each row still answered as alone', async () => {
  await withServer(async (server) => {
    const random = seededRandom(9);
    const pool = Array.from({ length: 16 }, () => mlp.makeRow(random));
    const alone = await askAlone(server, 'mlp512', pool);
    const { body } = await post(`${server.url}/api/v1/predict/batch`, {
      model: 'mlp512',
      instances: Array.from({ length: 300 }, (_, index) => pool[index % 16]),
    });
    assert.equal(body.count, 300, JSON.stringify(body).slice(0, 300));
    for (const [index, logits] of body.predictions.entries()) assertSame(logits, alone[index % 16]!);
  });
});
