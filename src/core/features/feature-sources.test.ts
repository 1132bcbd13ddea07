/** What Redis and SQL answer, as features. SQL runs on node:sqlite behind the slice of the Database port that is used. */
import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { SqlValue } from '../../ports/database.ts';
import type { FeatureRow } from '../../ports/feature-source.ts';
import type { TensorSpec } from '../tensor.ts';
import { isEntity } from './entity.ts';
import { digest } from './feature-keys.ts';
import { featureBytes, pickFeatures } from './feature-row.ts';
import { redisFeatures } from './redis-features.ts';
import { SourceFailure } from './source-failure.ts';
import { sqlFeatures } from './sql-features.ts';

describe('features in Redis', () => {
  const stored: Record<string, Record<string, string> | string> = {
    'user:42': { age: '31', scores: '[1, 2]' },
    'user:{x}$&': { age: '1' },
    'user:json': '{"age": 5}',
    'user:broken': '{"age":',
    'user:list': '[1]',
    'user:empty': {},
  };
  const read = async (keys: readonly string[]) => keys.map((key) => stored[key]);
  const source = redisFeatures({ source: 'redis', key: 'user:{entity}' }, read);

  it('are hashes or JSON, unknown without a key', async () => {
    assert.deepEqual(await source.fetchMany(['42', 'json', 'nobody', 'empty']), [
      { age: '31', scores: '[1, 2]' },
      { age: 5 },
      undefined,
      undefined,
    ]);
  });

  it('take names of entities as they are', async () => {
    assert.deepEqual(await source.fetchMany(['{x}$&']), [{ age: '1' }]);
  });

  it('fail on text that is no object, and when Redis fails', async () => {
    await assert.rejects(source.fetchMany(['broken']), /no JSON object of features/);
    await assert.rejects(source.fetchMany(['list']), SourceFailure);
    const broken = redisFeatures({ source: 'redis', key: '{entity}' }, async () => {
      throw new Error('gone');
    });
    await assert.rejects(
      broken.fetchMany(['a']),
      (error) => error instanceof SourceFailure && error.message === 'gone',
    );
  });
});

describe('features in SQL', () => {
  const sqlite = new DatabaseSync(':memory:');
  sqlite.exec(`CREATE TABLE users (id TEXT PRIMARY KEY, age INTEGER, ratio REAL, big INTEGER, raw BLOB);
    INSERT INTO users VALUES ('user:42', 31, 0.5, 9007199254740993, x'00'), ('o''; DROP TABLE users; --', 7, 1, 1, NULL);`);
  const statements = new Set<string>();
  const database = {
    placeholder: (index: number) => `?${index}`,
    read: async (sql: string, values: readonly SqlValue[]) => {
      statements.add(sql);
      const statement = sqlite.prepare(sql);
      statement.setReadBigInts(true);
      return statement.all(...values) as Record<string, unknown>[];
    },
  };
  const columns = 'age, ratio, big, raw';

  it('are the columns of one row, unknown without one', async () => {
    const source = sqlFeatures({ source: 'sql', key: `SELECT ${columns} FROM users WHERE id = {entity}` }, database);
    assert.equal(source.maxBatch, 1);
    const [row, none] = await source.fetchMany(['user:42', 'nobody']);
    assert.equal(none, undefined);
    assert.deepEqual([row!.age, row!.ratio, row!.big], [31, 0.5, '9007199254740993']);
  });

  it('are found for many at once by the column entity', async () => {
    const batchKey = `SELECT id AS entity, ${columns} FROM users WHERE id IN ({entities})`;
    const source = sqlFeatures({ source: 'sql', key: 'SELECT {entity}', batchKey }, database);
    const names = ['nobody', 'user:42', "o'; DROP TABLE users; --", ...Array.from({ length: 17 }, (_, i) => `${i}`)];
    const rows = await source.fetchMany(names);
    assert.deepEqual(
      rows.map((row) => row?.age),
      [undefined, 31, 7, ...new Array(17).fill(undefined)],
    );
    statements.clear();
    for (const count of [1, 2, 3, 4, 5, 17, 99]) await source.fetchMany(names.slice(0, count));
    assert.ok(statements.size <= 4, 'few statements for any number of entities');
  });

  it('bind names wherever they stand, and never write them into the statement', async () => {
    const source = sqlFeatures({ source: 'sql', key: 'SELECT {entity} AS a, length({entity}) AS b' }, database);
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1, unit: fc.constantFrom("'", '"', ';', '-', '?', '1', '$', '\\', '%', '{entity}') }),
        async (name) => {
          const [row] = await source.fetchMany([name]);
          assert.deepEqual({ ...row }, { a: name, b: name.length });
        },
      ),
      { numRuns: 50 },
    );
    assert.ok(statements.has('SELECT ?1 AS a, length(?2) AS b'));
  });

  it('fail on several rows, on a missing column entity, and when the database fails', async () => {
    const several = sqlFeatures({ source: 'sql', key: 'SELECT 1 AS a WHERE {entity} > 0 UNION SELECT 2' }, database);
    await assert.rejects(several.fetchMany(['1']), /one entity answered several rows/);
    const config = { source: 'sql', key: 'SELECT {entity}' };
    const nameless = sqlFeatures({ ...config, batchKey: 'SELECT 1 AS a WHERE 1 NOT IN ({entities})' }, database);
    await assert.rejects(nameless.fetchMany(['a']), /no column "entity"/);
    const twice = sqlFeatures(
      { ...config, batchKey: "SELECT 'a' AS entity, 1 AS b WHERE 'z' NOT IN ({entities}) UNION SELECT 'a', 2" },
      database,
    );
    await assert.rejects(twice.fetchMany(['a']), /An entity has several rows/);
    const wrong = sqlFeatures({ source: 'sql', key: 'SELECT nothing FROM {entity}' }, database);
    await assert.rejects(wrong.fetchMany(['a']), SourceFailure);
  });
});

describe('features as text', () => {
  const spec = (datatype: TensorSpec['datatype'], shape = [-1, 1]): TensorSpec => ({ name: 'x', datatype, shape });
  const read = (text: string, input: TensorSpec) => pickFeatures({ x: text }, [input], true).x;

  it('become what the input takes, or stay text', () => {
    assert.equal(read('31', spec('float32')), 31);
    assert.equal(read(' -1.5e3 ', spec('float64')), -1500);
    assert.equal(read('.5', spec('float32')), 0.5);
    assert.equal(read('0x10', spec('int32')), '0x10');
    assert.equal(read('', spec('float32')), '');
    assert.equal(read('NaN', spec('float32')), 'NaN');
    assert.equal(read('9007199254740993', spec('int64')), '9007199254740993');
    assert.equal(read('TRUE', spec('bool')), true);
    assert.equal(read('0', spec('bool')), false);
    assert.equal(read('maybe', spec('bool')), 'maybe');
    assert.equal(read('31', spec('string')), '31');
    assert.deepEqual(read('[1, 2.5]', spec('float32', [-1, 2])), [1, 2.5]);
    assert.deepEqual(read('["a", "b"]', spec('string', [-1, 2])), ['a', 'b']);
    assert.equal(read('[1,', spec('float32')), '[1,');
    assert.equal(read('[{}]', spec('float32')), '[{}]');
  });

  it('stay text where the source knows numbers', () => {
    assert.equal(pickFeatures({ x: '31' }, [spec('float32')], false).x, '31');
  });

  it('leave out what is no value, and lists deeper than any tensor', () => {
    let deep: unknown = 1;
    for (let depth = 0; depth < 1000; depth++) deep = [deep];
    const row = { x: deep, y: new Date(0), z: { a: 1 } } as unknown as FeatureRow;
    const specs = ['x', 'y', 'z'].map((name) => ({ ...spec('float32'), name }));
    assert.deepEqual(Object.keys(pickFeatures(row, specs, false)), []);
  });

  it('do not come from the prototype', () => {
    const inherited = { ...spec('string'), name: 'toString' };
    assert.deepEqual(Object.keys(pickFeatures({}, [inherited], false)), []);
  });

  it('count for about what they hold', () => {
    assert.ok(featureBytes({ text: 'x'.repeat(1000) }) >= 2000);
    assert.ok(featureBytes({ list: new Array(100).fill(1) }) >= 800);
    assert.ok(featureBytes(undefined) < 100);
  });
});

describe('names of entities', () => {
  it('are short text without control characters and halves of characters', () => {
    for (const good of ['user:42', 'ä', '😀', ' ', 'x'.repeat(512)]) assert.ok(isEntity(good), good);
    for (const bad of [
      '',
      'x'.repeat(513),
      'a\nb',
      'a\u0000',
      '\u007f',
      '\u0085',
      '\ud800',
      42,
      null,
      undefined,
      ['a'],
    ]) {
      assert.ok(!isEntity(bad), String(bad));
    }
  });

  it('have digests that tell a hundred thousand apart', () => {
    const digests = new Set(Array.from({ length: 100_000 }, (_, index) => digest(`user:${index}`)));
    assert.equal(digests.size, 100_000);
    assert.match(digest('a'), /^[0-9a-f]{16}$/);
  });
});
