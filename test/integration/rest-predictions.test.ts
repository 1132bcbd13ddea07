/** Logged predictions over REST: the routes, the writer and the embedded database together. */
import assert from 'node:assert/strict';
import { hash, randomFillSync } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import Fastify, { type FastifyInstance, type LightMyRequestResponse } from 'fastify';
import { openDatabase } from '../../src/adapters/sqlite/sqlite-database.ts';
import { systemClock } from '../../src/adapters/system-clock.ts';
import { PredictionIds } from '../../src/core/predictions/prediction-id.ts';
import { PredictionReader, type Visible } from '../../src/core/predictions/prediction-reader.ts';
import { type PredictionFacts, PredictionRecorder } from '../../src/core/predictions/prediction-recorder.ts';
import { PredictionWriter } from '../../src/core/predictions/prediction-writer.ts';
import { irisView } from '../../src/core/predictions/testing/prediction-world.ts';
import type { Database } from '../../src/ports/database.ts';
import type { Logger } from '../../src/ports/logger.ts';
import type { Telemetry } from '../../src/ports/telemetry.ts';
import { addPredictionRoutes } from '../../src/protocols/rest/prediction-routes.ts';

const logger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
const telemetry = { unroutedRequest() {} } as unknown as Telemetry;
const context = { requestTimeoutMs: 0, compressMinBytes: 0, draining: false, deps: { logger, telemetry } };
const all: Visible = () => true;

const facts: PredictionFacts = {
  model: irisView,
  caller: '',
  rows: 1,
  status: 'OK',
  durationMs: 1.25,
  cache: 'miss',
  inputs: [{ datatype: 'float32', shape: [1, 4], data: Float32Array.of(5.5, 3.5, 1.5, 0.25) }],
  outputs: [
    { name: 'label', datatype: 'string', shape: [1], data: ['setosa'] },
    { name: 'probabilities', datatype: 'float32', shape: [1, 3], data: Float32Array.of(0.75, 0.25, 0) },
  ],
  holdUntilMs: Number.POSITIVE_INFINITY,
};
const secret: PredictionFacts = {
  ...facts,
  model: { ...irisView, name: 'secret' },
  status: 'ENGINE_FAILED',
  caller: 'key:k1',
  cache: '',
  inputs: undefined,
  outputs: undefined,
};

let database: Database;

function makeWriter(mode: 'async' | 'stored'): { writer: PredictionWriter; recorder: PredictionRecorder } {
  const digest = (bytes: Uint8Array) => hash('sha256', bytes, 'buffer').subarray(0, 16);
  const shared = { clock: systemClock, random: Math.random, logger, digest, store: database.predictions };
  const writer = new PredictionWriter({ ...shared, mode, capacity: 1000, full: 'drop' });
  return { writer, recorder: new PredictionRecorder({ ids, writer, wallClock: Date.now, maxBytes: 16_384 }) };
}

const ids = new PredictionIds(randomFillSync);

function makeApp(
  reader: PredictionReader | undefined,
  visible: Visible = all,
  privateAnswers = false,
): FastifyInstance {
  const app = Fastify();
  addPredictionRoutes(app, context, { reader, privateAnswers, authorize: () => visible });
  return app;
}

describe('logged predictions over REST', () => {
  const made: string[] = [];
  let reader: PredictionReader;

  before(async () => {
    database = await openDatabase({ url: 'sqlite::memory:', clock: systemClock, logger });
    await database.migrate();
    const { writer, recorder } = makeWriter('stored');
    const one = async (each: PredictionFacts) => {
      const id = await recorder.record({ ...each, holdUntilMs: systemClock.now() + 30_000 });
      assert.ok(id !== undefined);
      made.push(id);
    };
    for (let count = 0; count < 4; count++) {
      await one(facts);
      await one(secret);
    }
    reader = new PredictionReader(database.predictions, writer);
  });
  after(() => database.close());

  it('gives one with its tensors, as something that never changes', async () => {
    const reply = await makeApp(reader).inject(`/api/v1/predictions/${made[0]}`);
    assert.equal(reply.statusCode, 200);
    assert.equal(reply.headers['cache-control'], 'public, max-age=31536000, immutable');
    assert.equal(reply.headers.etag, `"${made[0]}"`);
    const { created, ...rest } = reply.json();
    assert.ok(Math.abs(Date.parse(created) - Date.now()) < 60_000);
    assert.match(created, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.deepEqual(rest, {
      id: made[0],
      model: 'iris',
      version: '3',
      status: 'OK',
      caller: null,
      rows: 1,
      durationMs: 1.25,
      cache: 'miss',
      inputs: { features: { datatype: 'float32', shape: [1, 4], data: [5.5, 3.5, 1.5, 0.25] } },
      outputs: {
        label: { datatype: 'string', shape: [1], data: ['setosa'] },
        probabilities: { datatype: 'float32', shape: [1, 3], data: [0.75, 0.25, 0] },
      },
    });
  });

  it('gives a failed one with null for what was not kept', async () => {
    const { status, caller, cache, inputs, outputs } = (
      await makeApp(reader).inject(`/api/v1/predictions/${made[1]}`)
    ).json();
    assert.deepEqual([status, caller, cache, inputs, outputs], ['ENGINE_FAILED', 'key:k1', null, null, null]);
  });

  it('answers 304 without a body to who has it', async () => {
    const app = makeApp(reader);
    for (const tag of [`"${made[0]}"`, `W/"x", "${made[0]}"`, '*']) {
      const reply = await app.inject({ url: `/api/v1/predictions/${made[0]}`, headers: { 'if-none-match': tag } });
      assert.deepEqual([reply.statusCode, reply.body], [304, ''], tag);
      assert.equal(reply.headers.etag, `"${made[0]}"`);
    }
    const other = await app.inject({
      url: `/api/v1/predictions/${made[0]}`,
      headers: { 'if-none-match': `"${made[1]}"` },
    });
    assert.equal(other.statusCode, 200);
  });

  it('is private where callers have names', async () => {
    const reply = await makeApp(reader, all, true).inject(`/api/v1/predictions/${made[0]}`);
    assert.equal(reply.headers['cache-control'], 'private, max-age=31536000, immutable');
  });

  it('answers 404 for ids that are unknown, and for those that may not be seen, in the same words', async () => {
    const unknown = ids.next(Date.now());
    const onlyIris = makeApp(reader, (model) => model === 'iris');
    for (const id of [unknown, made[1]!]) {
      const reply = await onlyIris.inject(`/api/v1/predictions/${id}`);
      assert.deepEqual([reply.statusCode, reply.headers['cache-control']], [404, 'no-store']);
      const { code, message } = reply.json().error;
      assert.deepEqual([code, message], ['NOT_FOUND', `There is no prediction "${id}".`]);
    }
  });

  it('does not give 304 to who may not see it', async () => {
    const onlyIris = makeApp(reader, (model) => model === 'iris');
    const headers = { 'if-none-match': `"${made[1]}"` };
    assert.equal((await onlyIris.inject({ url: `/api/v1/predictions/${made[1]}`, headers })).statusCode, 404);
  });

  it('answers 400 for what is no id', async () => {
    const reply = await makeApp(reader).inject('/api/v1/predictions/4711');
    assert.deepEqual([reply.statusCode, reply.json().error.details.field], [400, 'id']);
    assert.equal(reply.headers['cache-control'], 'no-store');
  });

  it('lists newest first, by page, without tensors', async () => {
    const app = makeApp(reader);
    const seen: string[] = [];
    let next: string | null = null;
    do {
      const page: LightMyRequestResponse = await app.inject(
        `/api/v1/predictions?limit=3${next === null ? '' : `&before=${next}`}`,
      );
      assert.deepEqual([page.statusCode, page.headers['cache-control']], [200, 'no-store']);
      const body = page.json();
      for (const item of body.predictions) {
        assert.deepEqual(Object.keys(item).sort(), [
          'cache',
          'caller',
          'created',
          'durationMs',
          'id',
          'model',
          'rows',
          'status',
          'version',
        ]);
        seen.push(item.id);
      }
      next = body.next;
    } while (next !== null);
    assert.deepEqual(seen, [...made].reverse());
  });

  it('filters by model, version, status and time', async () => {
    const app = makeApp(reader);
    const count = async (query: string): Promise<number> => {
      return (await app.inject(`/api/v1/predictions?${query}`)).json().predictions.length;
    };
    assert.equal(await count('model=iris'), 4);
    assert.equal(await count('model=none'), 0);
    assert.equal(await count('version=3'), 8);
    assert.equal(await count('version=4'), 0);
    assert.equal(await count('status=OK'), 4);
    assert.equal(await count('status=failed'), 4);
    assert.equal(await count('status=ENGINE_FAILED&model=secret'), 4);
    assert.equal(await count('status=OVERLOADED'), 0);
    assert.equal(await count(`from=${new Date(Date.now() - 3_600_000).toISOString()}`), 8);
    assert.equal(await count(`to=${Date.now() - 3_600_000}`), 0);
  });

  it('lists only models that may be seen', async () => {
    const app = makeApp(reader, (model) => model === 'iris');
    const { predictions } = (await app.inject('/api/v1/predictions')).json();
    assert.deepEqual(new Set(predictions.map(({ model }: { model: string }) => model)), new Set(['iris']));
    assert.equal(predictions.length, 4);
    assert.deepEqual((await app.inject('/api/v1/predictions?model=secret')).json(), { predictions: [], next: null });
  });

  it('refuses a misspelled parameter with the nearest name', async () => {
    const reply = await makeApp(reader).inject('/api/v1/predictions?statsu=OK');
    assert.equal(reply.statusCode, 400);
    assert.match(reply.json().error.message, /Did you mean "status"\?/);
  });

  it('finds a prediction that waits to be written', async () => {
    const { writer, recorder } = makeWriter('async');
    const id = recorder.record(facts) as string;
    const reply = await makeApp(new PredictionReader(database.predictions, writer)).inject(`/api/v1/predictions/${id}`);
    assert.deepEqual([reply.statusCode, reply.json().id], [200, id]);
    assert.equal(await writer.close(10_000), 0);
    assert.equal((await makeApp(reader).inject(`/api/v1/predictions/${id}`)).statusCode, 200);
  });

  it('says that nothing is logged where no database is open', async () => {
    for (const path of ['', `/${made[0]}`]) {
      const reply = await makeApp(undefined).inject(`/api/v1/predictions${path}`);
      assert.deepEqual([reply.statusCode, reply.json().error.code], [501, 'UNSUPPORTED']);
      assert.match(reply.json().error.message, /predictionLog/);
    }
  });

  it('answers 503 while the database does not, without its words', async () => {
    const gone = {
      find: () => Promise.reject(new Error('ECONNREFUSED 10.0.0.7')),
      list: () => Promise.reject(new Error('x')),
    };
    for (const path of ['', `/${made[0]}`]) {
      const reply = await makeApp(new PredictionReader(gone)).inject(`/api/v1/predictions${path}`);
      assert.deepEqual([reply.statusCode, reply.headers['retry-after']], [503, '1']);
      assert.doesNotMatch(reply.body, /ECONNREFUSED/);
    }
  });

  it('asks who it is before anything else', async () => {
    const app = Fastify();
    const { HotpathError } = await import('../../src/core/errors.ts');
    addPredictionRoutes(app, context, {
      reader,
      privateAnswers: true,
      authorize: () => Promise.reject(new HotpathError('UNAUTHENTICATED', 'Authentication is required.')),
    });
    for (const path of ['', '?nonsense=1', '/4711', `/${made[0]}`]) {
      assert.equal((await app.inject(`/api/v1/predictions${path}`)).statusCode, 401, path);
    }
  });
});
