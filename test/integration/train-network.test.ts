/** `hotpath train --model mlp`, from a CSV file to answers of a real server and to a quantized file: training runs in processes of their own. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { loadModel } from '../../src/optimizer/graph/load.ts';
import { fixture, withoutFixtures } from '../e2e/support/fixtures.ts';
import { modelFolder, post, serve } from '../e2e/support/serve.ts';
import { customers, iris, train, trainOn } from './support/train-command.ts';

/** Amounts that no line follows, beside a category and holes. */
function prices(rows: number): string {
  const random = seededRandom(7);
  const lines = Array.from({ length: rows }, () => {
    const [a, b] = [random() * 4 - 2, random() * 4 - 2];
    const region = random() < 0.5 ? 'north' : 'south';
    const price = 200_000 + 50_000 * Math.sin(2 * a) + 20_000 * a * b + (region === 'north' ? 30_000 : 0);
    return `${a.toFixed(4)},${random() < 0.05 ? '' : b.toFixed(4)},${region},${price.toFixed(0)}`;
  });
  return `a,b,region,price\n${lines.join('\n')}\n`;
}

describe('hotpath train --model mlp', () => {
  let dir = '';
  let data = '';
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'hotpath-train-mlp-test-'));
    data = join(dir, 'customers.csv');
    await writeFile(data, customers(600));
  });
  after(() => rm(dir, { recursive: true, force: true }));

  it('registers a network that a server answers with, text, codes and holes as for any other model', async () => {
    const models = await modelFolder();
    const columns = ['--target', 'churn', '--exclude', 'cancelled_on', '--categorical', 'plan'];
    const network = ['--model', 'mlp', '--hidden', '16,8', '--activation', 'tanh', '--learning-rate', '0.01'];
    const store = ['--register', '--models', models, '--name', 'churn'];
    const { code, out, err } = await train(data, ...columns, ...network, ...store);
    assert.equal(code, 0, err);
    assert.match(out, /^mlp: classification of churn\n480 rows and 3 columns to learn from, 120 rows to test on/);
    // age; plan 0, 1, 2; region with its empty cells.
    assert.match(out, /Layers of 8, 16, 8, 2 numbers with tanh between them; 298 weights\./);
    assert.match(out, /no answer differs from the trainer's/);
    const accuracy = Number(/^accuracy +([\d.]+)/m.exec(out)![1]);
    assert.ok(accuracy > 0.8, `accuracy ${accuracy}`);
    const server = await serve(models);
    try {
      const url = `${server.url}/api/v1/models/churn/predict`;
      const young = await post(url, { features: { age: 20, plan: 1, region: 'south' } });
      assert.deepEqual([young.status, young.body.label], [200, 'yes'], JSON.stringify(young.body));
      const old = await post(url, { features: { age: 75, plan: 0, region: 'never heard of' } });
      assert.equal(old.body.label, 'no');
      const unknown = await post(url, { features: { age: null, plan: null, region: '' } });
      assert.equal(unknown.status, 200, JSON.stringify(unknown.body));
    } finally {
      await server.stop();
    }
  });

  it('writes the same file for the same seed, searched for or not, in layers that can be quantized', async () => {
    const out = join(dir, 'twice', 'model.onnx');
    const make = async (...more: string[]) => {
      const args = ['--target', 'species', '--model', 'mlp', '--epochs', '8', '--out', out, '--force', '--json'];
      const made = await train(iris, ...args, ...more);
      assert.equal(made.code, 0, made.err);
      return { report: JSON.parse(made.out), bytes: await readFile(out) };
    };
    const first = await make();
    const { nodes } = await loadModel(out);
    assert.equal(nodes.filter(({ opType }) => opType === 'Gemm').length, 3);
    assert.notDeepEqual((await make('--seed', '2')).bytes, first.bytes);
    assert.deepEqual((await make()).bytes, first.bytes);
    const search = ['--trials', '2', '--metric', 'accuracy', '--weight-decay', '0.5'];
    const searched = await make(...search);
    assert.deepEqual([searched.report.options.weightDecay, searched.report.options.epochs], [0.5, 8]);
    assert.deepEqual((await make(...search)).bytes, searched.bytes);
  });

  it('estimates amounts on their own scale that no line follows', async () => {
    const table = join(dir, 'prices.csv');
    await writeFile(table, prices(1200));
    const out = join(dir, 'prices', 'model.onnx');
    const args = ['--target', 'price', '--learning-rate', '0.01', '--out', out, '--force', '--json'];
    const r2 = async (model: string): Promise<number> => {
      const { code, out: text, err } = await train(table, '--model', model, ...args);
      assert.equal(code, 0, err);
      const { evaluation, agreement } = JSON.parse(text);
      assert.ok(agreement.agrees && agreement.largestDifference < 1e-5);
      return evaluation.metrics.r2;
    };
    const [network, line] = [await r2('mlp'), await r2('ridge')];
    assert.ok(network > 0.9 && line < 0.6, `${network}, ${line}`);
  });

  it('ends when interrupted, and writes nothing then', async () => {
    const out = join(dir, 'interrupted', 'model.onnx');
    const seen: string[] = [];
    // The first progress comes from within training.
    const write = (text: string) => {
      seen.push(text);
      if (text.includes('training')) process.emit('SIGINT');
    };
    const listeners = process.listenerCount('SIGINT');
    const args = ['--target', 'species', '--model', 'mlp', '--epochs', '100000', '--patience', '100000', '--out', out];
    const { code, out: printed } = await trainOn({ isTTY: true, write }, iris, ...args);
    assert.deepEqual([code, printed], [1, '']);
    assert.match(seen.at(-1)!, /^hotpath: Interrupted: nothing was written\.\n$/);
    assert.equal(process.listenerCount('SIGINT'), listeners);
    assert.ok(!(await readdir(dir)).includes('interrupted'));
  });

  it('explains what is wrong, and writes nothing then', async () => {
    const out = join(dir, 'never', 'model.onnx');
    const cases: [string[], number, RegExp][] = [
      [['--hidden', '64,x'], 2, /Flag --hidden must be whole numbers such as 64,64, not "64,x"/],
      [['--hidden', '0'], 2, /Flag --hidden must be whole numbers/],
      [['--hidden', '9000,9000'], 1, /hidden makes a network of 81081003 weights; 1000000 are the most/],
      [['--activation', 'rel'], 2, /must be one of relu, tanh, sigmoid, .* Did you mean relu\?/],
      [['--epochs', '0'], 1, /epochs must be a whole number from 1/],
      [['--epochs', 'many'], 2, /Flag --epochs must be a number/],
      [['--batch-size', '1.5'], 1, /batchSize must be a whole number from 1/],
      [['--patience', '0'], 1, /patience must be a whole number from 1/],
      [['--weight-decay', '-1'], 1, /weightDecay must be from 0 to 100/],
      [['--learning-rate', '2'], 1, /learningRate must be from 0 to 1/],
      [['--learning-rate', '0'], 1, /no better than its random start: try another learning rate/],
    ];
    for (const [args, code, message] of cases) {
      const result = await train(iris, '--target', 'species', '--model', 'mlp', ...args, '--out', out);
      assert.deepEqual([result.code, result.out], [code, ''], args.join(' '));
      assert.match(result.err, message);
      assert.doesNotMatch(result.err, /\n\s+at /);
    }
    const huge = join(dir, 'huge.csv');
    const rows = Array.from({ length: 60 }, (_, row) => `${((row * 7) % 13) * 1e37},${row % 2}`);
    await writeFile(huge, `x,y\n${rows.join('\n')}\n`);
    const diverged = await train(huge, '--target', 'y', '--model', 'mlp', '--scale', 'none', '--out', out);
    assert.deepEqual([diverged.code, diverged.out], [1, '']);
    assert.match(diverged.err, /Training diverged: try a smaller learning rate, or scaled columns\./);
    assert.ok(!(await readdir(dir)).includes('never'));
  });

  it('takes the Titanic, holes and all', { skip: withoutFixtures }, async () => {
    const path = fixture('tabular/small_titanic.csv');
    const args = ['--target', 'survived', '--exclude', 'boat,body', '--model', 'mlp', '--json'];
    const { code, out, err } = await train(path, ...args, '--out', join(dir, 'titanic.onnx'), '--force');
    assert.equal(code, 0, err);
    const { agreement } = JSON.parse(out);
    assert.deepEqual([agreement.differentLabels, agreement.agrees], [0, true]);
  });
});
