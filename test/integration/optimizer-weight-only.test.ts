import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { buildMlp512 } from '../../bench/models.ts';
import { makeNode, makeTensor } from '../../src/onnx-file/model.ts';
import { graphFromBytes, loadModel } from '../../src/optimizer/graph/load.ts';
import { saveModel } from '../../src/optimizer/graph/save.ts';
import type { Dataset } from '../../src/optimizer/pass.ts';
import { gptq } from '../../src/optimizer/passes/gptq.ts';
import type { WeightOnlySettings } from '../../src/optimizer/passes/weight-only.ts';
import { weightOnly } from '../../src/optimizer/passes/weight-only.ts';
import { compareRows, gemmCases, gemmModel, linearModel, weights } from './support/linear-models.ts';
import { datasetOf, normalDataset, normalValues, optimizedOperators, passContext } from './support/optimizer-runner.ts';

const context = passContext(undefined);

/** Rows of `width` features that follow from a tenth as many causes, as those inside of real models do. */
function correlatedRows(rows: number, width: number, seed: number): Dataset {
  const causes = Math.ceil(width / 10);
  const [hidden, mix, data] = [
    normalValues(rows * causes, seed),
    normalValues(causes * width, 77),
    normalValues(rows * width, seed + 1),
  ];
  for (let row = 0; row < rows; row++) {
    for (let at = 0; at < width; at++) {
      let sum = 0.2 * data[row * width + at]!;
      for (let i = 0; i < causes; i++) sum += (hidden[row * causes + i]! * mix[i * width + at]!) / Math.sqrt(causes);
      data[row * width + at] = sum;
    }
  }
  return datasetOf({ features: { datatype: 'float32', shape: [rows, width], data } });
}

describe('weight-only quantization', () => {
  it('stores a perceptron in INT4 as operators of the runtime, in less than 0.17 of the size', async () => {
    const origin = buildMlp512();
    const graph = graphFromBytes(origin);
    const report = await weightOnly(graph, {}, context);
    const variant = graph.check().toBytes();
    assert.deepEqual(report.expectedFused, { MatMulNBits: 4 });
    assert.deepEqual(await optimizedOperators(variant), { MatMulNBits: 4, Relu: 3 });
    assert.ok(variant.length < 0.17 * origin.length);
    assert.ok((await compareRows(origin, variant, normalDataset('features', 64, [512]), 'logits')) > 17.5);
  });

  const cases: [WeightOnlySettings, number][] = [];
  for (const blockSize of [16, 32, 64, 128] as const) {
    for (const symmetric of [true, false]) {
      cases.push([{ bits: 4, blockSize, symmetric }, 15], [{ bits: 8, blockSize, symmetric }, 32]);
    }
  }
  cases.push([{ scaleSearch: 'max' }, 15], [{ accuracyLevel: 0 }, 15], [{ bits: 8, accuracyLevel: 0 }, 36]);
  for (const [settings, least] of cases) {
    it(`keeps the answers with ${JSON.stringify(settings)}`, async () => {
      const origin = linearModel({
        nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
        initializers: [weights('w', [200, 40])],
        dims: ['batch', 'sequence', 200],
        outputs: ['y'],
      });
      const graph = graphFromBytes(origin);
      await weightOnly(graph, settings, context);
      const decibels = await compareRows(origin, graph.check().toBytes(), normalDataset('x', 4, [5, 200]), 'y');
      assert.ok(decibels > least, `${decibels} dB`);
    });
  }

  for (const gemm of gemmCases) {
    it(`keeps the answers of a Gemm with ${gemm.title}`, async () => {
      const origin = gemmModel(gemm);
      const graph = graphFromBytes(origin);
      await weightOnly(graph, { bits: 8 }, context);
      const decibels = await compareRows(origin, graph.check().toBytes(), normalDataset('x', 16, [70]), 'y');
      assert.ok(decibels > 30, `${decibels} dB`);
      assert.equal((await optimizedOperators(graph.toBytes())).MatMulNBits, 1);
    });
  }

  it('shortens its blocks for layers whose sums are short', async () => {
    const origin = linearModel({
      nodes: [makeNode('MatMul', ['x', 'w'], ['y'])],
      initializers: [weights('w', [24, 40])],
      dims: ['batch', 24],
      outputs: ['y'],
    });
    const graph = graphFromBytes(origin);
    const report = await weightOnly(graph, { bits: 8 }, context);
    assert.match(report.changed[0]!.what, /INT8, blocks of 32/);
    assert.equal(graph.node('y')!.int('block_size'), 32);
    assert.ok((await compareRows(origin, graph.toBytes(), normalDataset('x', 16, [24]), 'y')) > 34);
  });

  it('leaves what it cannot take as it is and says why', async () => {
    const origin = linearModel({
      nodes: [
        makeNode('MatMul', ['x', 'stack'], ['a']),
        makeNode('MatMul', ['vector', 'w'], ['b']),
        makeNode('Add', ['a', 'b'], ['y']),
        makeNode('Slice', ['x', 'zero', 'two', 'two_axis'], ['pair']),
        makeNode('MatMul', ['pair', 'narrow'], ['c']),
      ],
      initializers: [
        weights('stack', [1, 8, 8]),
        weights('w', [8, 8]),
        weights('narrow', [2, 4]),
        makeTensor('vector', 'float32', [8], normalValues(8)),
        makeTensor('zero', 'int64', [1], BigInt64Array.of(0n)),
        makeTensor('two', 'int64', [1], BigInt64Array.of(2n)),
        makeTensor('two_axis', 'int64', [1], BigInt64Array.of(1n)),
      ],
      dims: [2, 8],
      outputs: ['y', 'c'],
    });
    const graph = graphFromBytes(origin);
    const report = await weightOnly(graph, { blockSize: 128 }, context);
    assert.deepEqual(
      report.skipped.map(({ what }) => what),
      [
        'its weight has 3 dimensions, not 2',
        'its input has only one dimension',
        'with 2 weights per sum it would be no smaller',
      ],
    );
    assert.deepEqual([report.changed, graph.toBytes()], [[], origin]);
  });
});

describe('GPTQ', () => {
  it('answers better than rounding to nearest where inputs depend on each other', async () => {
    const origin = buildMlp512();
    const calibration = correlatedRows(256, 512, 10);
    const unseen = correlatedRows(64, 512, 20);
    const [careful, nearest] = [graphFromBytes(origin), graphFromBytes(origin)];
    const shares: number[] = [];
    const report = await gptq(careful, {}, passContext(calibration, { onProgress: (share) => shares.push(share) }));
    await weightOnly(nearest, {}, context);
    const [better, plain] = [
      await compareRows(origin, careful.check().toBytes(), unseen, 'logits'),
      await compareRows(origin, nearest.toBytes(), unseen, 'logits'),
    ];
    assert.ok(better > plain + 3, `${better} against ${plain} dB`);
    assert.deepEqual(report.expectedFused, { MatMulNBits: 4 });
    assert.deepEqual(await optimizedOperators(careful.toBytes()), { MatMulNBits: 4, Relu: 3 });
    assert.deepEqual(shares, [0, 0.25, 0.5, 0.75, 1]);
  });

  it('does no harm where they do not, with fewer rows than inputs', async () => {
    const origin = buildMlp512();
    const [careful, nearest] = [graphFromBytes(origin), graphFromBytes(origin)];
    await gptq(careful, {}, passContext(normalDataset('features', 100, [512], 30)));
    await weightOnly(nearest, {}, context);
    const unseen = normalDataset('features', 64, [512], 40);
    const better = await compareRows(origin, careful.toBytes(), unseen, 'logits');
    assert.ok(better > (await compareRows(origin, nearest.toBytes(), unseen, 'logits')));
  });

  it('works within little memory, on layers too wide for it, and on a model with data in another file', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hotpath-gptq-'));
    try {
      const path = join(folder, 'model.onnx');
      saveModel(graphFromBytes(buildMlp512()), path, { external: true });
      const data = passContext(correlatedRows(64, 512, 1));
      const [split, whole, wide] = [loadModel(path), graphFromBytes(buildMlp512()), graphFromBytes(buildMlp512())];
      await gptq(split, { memoryBytes: 1 }, data);
      await gptq(whole, {}, data);
      assert.deepEqual(
        split.initializers.map((constant) => constant.raw()),
        whole.initializers.map((constant) => constant.raw()),
      );
      const report = await gptq(wide, { widestInner: 511 }, data);
      assert.match(report.changed[3]!.what, /rounded to the nearest, being wider than 511/);
      const nearest = graphFromBytes(buildMlp512());
      await weightOnly(nearest, {}, context);
      assert.deepEqual(wide.toBytes(), nearest.toBytes());
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('says that without calibration data it rounds to the nearest, and stops when it is cancelled', async () => {
    const report = await gptq(graphFromBytes(buildMlp512()), {}, context);
    assert.match(report.notes.join(), /Without calibration data/);
    const cancelled = passContext(normalDataset('features', 32, [512]), {
      signal: AbortSignal.abort(new Error('enough')),
    });
    await assert.rejects(gptq(graphFromBytes(buildMlp512()), {}, cancelled), /enough/);
  });
});
