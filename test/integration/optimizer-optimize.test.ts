/** `optimize` as a whole, on models made here, through real runtime processes: from a file of rows to a version that is served. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { run } from '../../src/cli/optimize.ts';
import { createStyle } from '../../src/cli/terminal.ts';
import { seededRandom } from '../../src/core/seeded-random.ts';
import { encodeModel } from '../../src/onnx-file/encode.ts';
import { makeModel, makeNode, makeTensor, makeValueInfo } from '../../src/onnx-file/model.ts';
import type { OptimizeResult } from '../../src/optimizer/plan/result.ts';
import { runOptimize } from '../../src/server-optimize.ts';

const width = 64;
const random = seededRandom(5);
const folder = mkdtempSync(join(tmpdir(), 'hotpath-optimize-'));
const modelPath = join(folder, 'net.onnx');
const dataPath = join(folder, 'rows.jsonl');

/** Three layers of 64; the class is which of ten directions a row is nearest to, so that classes are clearly apart. */
function buildNet(): Uint8Array {
  const weights = (rows: number, columns: number, scale: number) =>
    Float32Array.from({ length: rows * columns }, () => (random() * 2 - 1) * scale);
  const first = weights(width, width, 0.3);
  const last = weights(width, 10, 0.3);
  return encodeModel(
    makeModel({
      opsets: [{ domain: '', version: 13 }],
      graph: {
        name: 'net',
        nodes: [
          makeNode('Gemm', ['x', 'w0', 'b0'], ['h0']),
          makeNode('Relu', ['h0'], ['h1']),
          makeNode('Gemm', ['h1', 'w1', 'b1'], ['scores']),
        ],
        initializers: [
          makeTensor('w0', 'float32', [width, width], first),
          makeTensor('b0', 'float32', [width], weights(1, width, 0.1)),
          makeTensor('w1', 'float32', [width, 10], last),
          makeTensor('b1', 'float32', [10], weights(1, 10, 0.1)),
        ],
        inputs: [makeValueInfo('x', 'float32', ['rows', width])],
        outputs: [makeValueInfo('scores', 'float32', ['rows', 10])],
      },
    }),
  );
}

before(() => {
  writeFileSync(modelPath, buildNet());
  const lines = Array.from({ length: 300 }, (_, index) => {
    return JSON.stringify({
      y: index % 10,
      features: Array.from({ length: width }, () => Math.round((random() * 4 - 2) * 1000) / 1000),
    });
  });
  writeFileSync(dataPath, lines.join('\n'));
});
after(() => rmSync(folder, { recursive: true, force: true }));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function optimize(...args: string[]): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const terminal = {
    out: (text: string) => void out.push(text),
    err: (text: string) => void err.push(text),
    style: createStyle(false),
  };
  const code = await run([...args, '--seconds', '0.3'], { terminal, env: {} });
  return { code, out: out.join('\n'), err: err.join('\n') };
}

const common = ['--data', dataPath, '--target', 'size', '--max-drop', '5%'];

describe('hotpath optimize', () => {
  it('writes a smaller variant that answers alike, a report, and the next version of a registered model', async () => {
    const out = join(folder, 'out');
    const models = join(folder, 'models');
    const before = readFileSync(modelPath);
    const args = [
      modelPath,
      ...common,
      '--labels',
      'y',
      '--passes',
      'dynamic-int8',
      '--out',
      out,
      '--register',
      'mine',
      '--models',
      models,
      '--json',
    ];
    const { code, out: text, err } = await optimize(...args);
    assert.equal(code, 0, err);
    const result = JSON.parse(text) as OptimizeResult;
    assert.equal(result.chosen, 'dynamic-int8');
    const [original, variant] = result.variants;
    assert.equal(original?.sizeBytes, statSync(modelPath).size);
    assert.ok(variant!.sizeBytes < 0.5 * original!.sizeBytes, `${variant!.sizeBytes} bytes`);
    assert.ok(variant!.difference!.labels!.agreement >= 0.95);
    const { accuracy } = variant!.difference!.labels!;
    assert.ok(Math.abs(accuracy!.original - accuracy!.variant) <= 0.05);
    assert.match(variant!.verdict.reason, /^Accuracy .* on 100 labelled rows\.$/);
    assert.ok(variant!.difference!.outputs[0]!.sqnrDb > 25);
    assert.equal(variant!.proof?.proven, true);
    assert.equal(variant!.proof?.operators.DynamicQuantizeMatMul, 2);
    assert.deepEqual(
      original?.timings.map(({ batch }) => batch),
      [1, 8, 32],
    );
    for (const place of [join(out, 'net'), join(models, 'mine')]) {
      assert.deepEqual(readdirSync(place), ['1']);
      assert.deepEqual(readdirSync(join(place, '1')), ['model.onnx']);
      assert.equal(statSync(join(place, '1', 'model.onnx')).size, variant!.sizeBytes);
    }
    assert.match(readFileSync(join(out, 'report.html'), 'utf8'), /dynamic INT8/);
    assert.deepEqual(readFileSync(modelPath), before);
  });

  it('takes finished variants over when run again, and adds no version twice', async () => {
    const out = join(folder, 'out');
    const args = [modelPath, ...common, '--labels', 'y', '--passes', 'dynamic-int8', '--out', out];
    const progress: string[] = [];
    const options = {
      modelPath,
      outFolder: out,
      data: { path: dataPath, labels: 'y' },
      maxDrop: 0.05,
      target: 'size',
      batchMs: 300,
      recipes: ['dynamic-int8'],
    } as const;
    await runOptimize(options, {
      onProgress: (_, what) => void progress.push(what),
      findPass: () => async () => () => assert.fail('built again'),
    });
    assert.ok(!progress.some((what) => what.includes('verifying')));
    const { code, out: text } = await optimize(...args);
    assert.equal(code, 0);
    assert.match(text, /Is there already/);
    assert.deepEqual(readdirSync(join(out, 'net')), ['1']);
  });

  it('refuses what answers otherwise, says why, and writes it only when forced', async () => {
    const out = join(folder, 'strict');
    const args = [
      modelPath,
      '--data',
      dataPath,
      '--target',
      'size',
      '--max-drop',
      '0',
      '--task',
      'regression',
      '--passes',
      'weight-int4',
      '--out',
      out,
    ];
    const refused = await optimize(...args);
    assert.equal(refused.code, 3);
    assert.match(
      refused.out,
      /weight-only INT4 was refused: Output "scores" misses [\d.]+ % of the variance; at most 0\.0 % may be lost/,
    );
    assert.match(refused.out, /keep the original/);
    assert.equal(existsSync(join(out, 'net')), false);
    const forced = await optimize(...args, '--force');
    assert.equal(forced.code, 0);
    assert.match(forced.out, /taken because of --force/);
    assert.equal(existsSync(join(out, 'net', '1', 'model.onnx')), true);
  });

  it('gives a model up that takes too long, by the patience it was given', async () => {
    const hurried = runOptimize(
      { modelPath, outFolder: join(folder, 'hurried'), data: { path: dataPath }, recipes: ['dynamic-int8'] },
      { onProgress: () => {}, patience: 1e-6 },
    );
    await assert.rejects(hurried, { code: 'MODEL_FAILED', message: /did not end within|took longer than/ });
  });

  it('reports a pass that fails, or kills the runtime, and goes on with the others', async () => {
    const { result } = await runOptimize(
      {
        modelPath,
        outFolder: join(folder, 'broken'),
        data: { path: dataPath },
        maxDrop: 0.05,
        target: 'size',
        batchMs: 300,
        recipes: ['fp16', 'dynamic-int8'],
      },
      {
        onProgress: () => {},
        findPass: (name) => async () => async (graph) => {
          if (name === 'dynamic-int8') throw new TypeError('a bug');
          const [gemm] = graph.nodes;
          graph.replaceInput(gemm!, 0, 'h1');
          graph.sortTopologically();
          return { title: 'broken', changed: [{ node: 'n', opType: 'Gemm', what: 'broken' }], skipped: [], notes: [] };
        },
      },
    );
    const reasons = result.variants.slice(1).map(({ state, verdict }) => [state, verdict.reason]);
    assert.equal(reasons[0]![0], 'failed');
    assert.match(reasons[0]![1]!, /cycle/);
    assert.deepEqual(reasons[1], ['failed', 'An unexpected error, which is a bug: a bug']);
    assert.equal(result.chosen, undefined);
  });

  it('says loudly when rows were made up', async () => {
    const { out } = await optimize(modelPath, '--passes', 'dynamic-int8', '--out', join(folder, 'made-up'));
    assert.match(out, /NO DATA WAS GIVEN/);
  });

  it('complains in one sentence about what cannot be used', async () => {
    const complaint = async (...args: string[]) => (await optimize(...args, '--out', join(folder, 'none'))).err;
    writeFileSync(join(folder, 'empty.csv'), 'a,b\n');
    writeFileSync(join(folder, 'damaged.onnx'), Buffer.from('no model'));
    assert.match(await complaint(modelPath, '--data', join(folder, 'absent.npz')), /no data file "absent\.npz"/);
    assert.match(await complaint(modelPath, '--data', join(folder, 'empty.csv')), /no rows/);
    assert.match(await complaint(modelPath, '--data', folder), /takes float32 \[\?, 64\], which is no picture/);
    assert.match(await complaint(join(folder, 'absent.onnx')), /cannot be opened \(ENOENT\)/);
    assert.match(await complaint(join(folder, 'damaged.onnx')), /hotpath: /);
    assert.match(await complaint(modelPath, '--passes', 'magic'), /no variant "magic"\. Known: /);
    assert.equal(existsSync(join(folder, 'none', 'net')), false);
  });

  it('stops when interrupted and leaves nothing that looks finished', async () => {
    const cancel = new AbortController();
    const outFolder = join(folder, 'stopped');
    const stopped = runOptimize(
      { modelPath, outFolder, data: { path: dataPath }, recipes: ['dynamic-int8'] },
      {
        signal: cancel.signal,
        onProgress: (_, what) => what.includes('verifying') && cancel.abort(new Error('enough')),
      },
    );
    await assert.rejects(stopped, /enough/);
    const [key = ''] = readdirSync(join(outFolder, '.work'));
    assert.equal(existsSync(join(outFolder, '.work', key, 'dynamic-int8', 'checked.json')), false);
  });
});
