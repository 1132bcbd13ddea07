/** `hotpath train` from a CSV file to answers of a real server: what it prints, what it writes, and what it refuses. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { parseCsv } from '../../src/training/csv.ts';
import { fixture, withoutFixtures } from '../e2e/support/fixtures.ts';
import { modelFolder, post, serve } from '../e2e/support/serve.ts';
import { customers, iris, train } from './support/train-command.ts';

describe('hotpath train', () => {
  let dir = '';
  let data = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hotpath-train-test-'));
    data = join(dir, 'customers.csv');
    await writeFile(data, customers(600));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it('registers a model that a server answers with, rows by column name', async () => {
    const models = await modelFolder();
    const args = [
      data,
      '--target',
      'churn',
      '--exclude',
      'cancelled_on',
      '--categorical',
      'plan',
      '--register',
      '--models',
      models,
    ];
    const { code, out, err } = await train(...args, '--name', 'churn');
    assert.equal(code, 0, err);
    assert.match(out, /^boost: classification of churn\n480 rows and 3 columns to learn from, 120 rows to test on/);
    assert.match(out, /Left out id: it numbers the rows\./);
    assert.match(out, /Left out since: it holds dates/);
    assert.match(out, /no answer differs from the trainer's/);
    assert.match(out, /Stored as model churn, version 1\.\n$/);
    const accuracy = Number(/^accuracy +([\d.]+)/m.exec(out)![1]);
    assert.ok(accuracy > 0.8, `accuracy ${accuracy}`);
    assert.match((await train(...args, '--name', 'churn')).out, /version 2/);
    const server = await serve(models);
    try {
      const url = `${server.url}/api/v1/models/churn/predict`;
      const young = await post(url, { features: { age: 20, plan: 1, region: 'south' } });
      assert.deepEqual(
        [young.status, young.body.label, young.body.version],
        [200, 'yes', '2'],
        JSON.stringify(young.body),
      );
      const old = await post(url, { features: { age: 75, plan: 0, region: 'never heard of' } });
      assert.equal(old.body.label, 'no');
      const unknown = await post(url, { features: { age: null, plan: null, region: '' } });
      assert.equal(unknown.status, 200, JSON.stringify(unknown.body));
    } finally {
      await server.stop();
    }
  });

  it('warns of a column that knows the answer', async () => {
    const { out } = await train(data, '--target', 'churn', '--out', join(dir, 'leak.onnx'), '--json', '--force');
    const report = JSON.parse(out);
    assert.deepEqual(report.evaluation.leaks, [{ name: 'cancelled_on', score: 1 }]);
    assert.equal(report.evaluation.importance[0].name, 'cancelled_on');
    assert.deepEqual(report.agreement.differentLabels, 0);
  });

  it('writes the same file for the same seed, beside its model.json and page, and replaces nothing unasked', async () => {
    const out = join(dir, 'twice', 'model.onnx');
    const page = join(dir, 'page.html');
    const args = [iris, '--target', 'species', '--model', 'forest', '--out', out, '--report', page];
    assert.equal((await train(...args)).code, 0);
    const first = await readFile(out);
    const refused = await train(...args);
    assert.deepEqual([refused.code, refused.out], [2, '']);
    assert.match(refused.err, /model\.onnx is there already: give --force/);
    assert.equal((await train(...args, '--force')).code, 0);
    assert.deepEqual(await readFile(out), first);
    await train(...args, '--force', '--seed', '2');
    assert.notDeepEqual(await readFile(out), first);
    assert.deepEqual(JSON.parse(await readFile(join(dir, 'twice', 'model.json'), 'utf8')), {
      deterministic: true,
      classNames: ['setosa', 'versicolor', 'virginica'],
    });
    const html = await readFile(page, 'utf8');
    assert.match(html, /<td>petal_width<\/td>/);
    assert.doesNotMatch(html, /https?:|<script/);
    assert.deepEqual((await readdir(join(dir, 'twice'))).sort(), ['model.json', 'model.onnx']);
  });

  it('escapes what a table says in the page', async () => {
    const odd = join(dir, 'odd.csv');
    const rows = Array.from({ length: 40 }, (_, row) => `${(row * 7) % 11},${row % 2 === 0 ? '<b>&' : 'plain'}`);
    await writeFile(odd, `"x<script>",y\n${rows.join('\n')}\n`);
    const page = join(dir, 'odd.html');
    assert.equal(
      (await train(odd, '--target', 'y', '--out', join(dir, 'odd.onnx'), '--force', '--report', page)).code,
      0,
    );
    assert.doesNotMatch(await readFile(page, 'utf8'), /<script>|<b>&/);
  });

  it('estimates amounts, searches, and groups rows', async () => {
    const out = join(dir, 'other', 'model.onnx');
    const numbers = JSON.parse(
      (await train(iris, '--target', 'petal_width', '--trials', '3', '--out', out, '--json')).out,
    );
    assert.equal(numbers.task, 'regression');
    assert.ok(numbers.evaluation.metrics.r2 > 0.8 && numbers.evaluation.baseline.r2 < 0.1);
    const groups = JSON.parse(
      (await train(iris, '--model', 'kmeans', '--exclude', 'species', '--out', out, '--json', '--force')).out,
    );
    assert.deepEqual([groups.task, groups.clusterRows.length], ['clustering', 3]);
    assert.equal(
      groups.clusterRows.reduce((sum: number, count: number) => sum + count, 0),
      150,
    );
  });

  it('says when nothing was learned', async () => {
    const random = seededRandom(1);
    const noise = join(dir, 'noise.csv');
    const rows = Array.from({ length: 300 }, () => `${random().toFixed(4)},${random() < 0.5 ? 'a' : 'b'}`);
    await writeFile(noise, `x,y\n${rows.join('\n')}\n`);
    const { out } = await train(
      noise,
      '--target',
      'y',
      '--model',
      'forest',
      '--out',
      join(dir, 'noise.onnx'),
      '--force',
    );
    assert.match(out, /no better than the baseline/);
  });

  it('explains what is wrong, and writes nothing then', async () => {
    const broken = async (name: string, text: string) => {
      await writeFile(join(dir, name), text);
      return join(dir, name);
    };
    const out = join(dir, 'never', 'model.onnx');
    const cases: [string[], number, RegExp][] = [
      [[iris, '--target', 'specis'], 2, /no column "specis"\. Did you mean "species"\?/],
      [[iris, '--target', 'species', '--features', 'petal_with'], 2, /Did you mean "petal_width"\?/],
      [[iris, '--target', 'species', '--model', 'bost'], 2, /must be one of boost, .* Did you mean boost\?/],
      [
        [iris, '--target', 'species', '--model', 'ridge'],
        1,
        /Model ridge is not for classification; choose one of boost/,
      ],
      [[iris, '--target', 'species', '--metric', 'rmse'], 1, /Metric rmse is not for this target/],
      [[iris, '--target', 'species', '--max-depth', '99'], 1, /maxDepth must be a whole number from 1 to 16/],
      [[iris, '--target', 'species', '--test', '0'], 1, /from 0\.01 to 0\.9/],
      [[iris, '--target', 'species', '--sead', '1'], 2, /Flag --sead is unknown\. Did you mean --seed\?/],
      [[iris], 2, /Name the column to predict with --target/],
      [[join(dir, 'nowhere.csv'), '--target', 'y'], 2, /There is no file/],
      [[await broken('empty.csv', ''), '--target', 'y'], 1, /column names must be present/],
      [[await broken('ragged.csv', 'x,y\n1,2\n1,2,3\n'), '--target', 'y'], 1, /line 3: 3 cells, expected 2/],
      [[await broken('one.csv', `x,y\n${'1,a\n2,a\n'.repeat(20)}`), '--target', 'y'], 1, /one class only \(a\)/],
      [[await broken('few.csv', 'x,y\n1,a\n2,b\n3,a\n4,b\n'), '--target', 'y'], 1, /4 rows to learn from/],
      [
        [await broken('none.csv', `x,y\n${'1,a\n1,b\n'.repeat(20)}`), '--target', 'y'],
        1,
        /No column is left .*x: all its values are equal/,
      ],
    ];
    for (const [args, code, message] of cases) {
      const result = await train(...args, '--out', out);
      assert.deepEqual([result.code, result.out], [code, ''], args.join(' '));
      assert.match(result.err, message);
      assert.doesNotMatch(result.err, /\n\s+at /);
    }
    assert.ok(!(await readdir(dir)).includes('never'));
  });

  it('learns who survived the Titanic, holes and all', { skip: withoutFixtures }, async () => {
    const path = fixture('tabular/small_titanic.csv');
    const { header } = parseCsv(await readFile(path, 'utf8'));
    const { code, out, err } = await train(
      path,
      '--target',
      'survived',
      '--exclude',
      'boat,body',
      '--out',
      join(dir, 'titanic.onnx'),
      '--json',
      '--force',
    );
    assert.equal(code, 0, err);
    const report = JSON.parse(out);
    const seen = [...report.columns, ...report.leftOut].map(({ name }: { name: string }) => name);
    assert.deepEqual(seen.sort(), header.filter((name) => !['survived', 'boat', 'body'].includes(name)).sort());
    assert.equal(report.agreement.differentLabels, 0);
  });
});
