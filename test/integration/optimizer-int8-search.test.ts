import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { buildMlp512 } from '../../bench/models.ts';
import { makeNode, makeTensor } from '../../src/onnx-file/model.ts';
import { calibrate, calibrationMethods } from '../../src/optimizer/calibrate/calibrate.ts';
import { observe } from '../../src/optimizer/calibrate/observe.ts';
import { graphFromBytes } from '../../src/optimizer/graph/load.ts';
import type { Feeds } from '../../src/optimizer/pass.ts';
import { mixedPrecision } from '../../src/optimizer/passes/mixed-precision.ts';
import { smoothQuant } from '../../src/optimizer/passes/smooth-quant.ts';
import { build, quantize, sqnr, weights } from './support/int8-models.ts';
import { datasetOf, normalDataset, normalValues, passContext, testRunner } from './support/optimizer-runner.ts';

describe('calibration', () => {
  it('sees every row once, in runs within the budget, and reports them', async () => {
    const graph = graphFromBytes(buildMlp512());
    const shapes: number[] = [];
    const done: number[] = [];
    const options = {
      runner: testRunner,
      data: normalDataset('features', 50, [512]),
      values: ['features', 'hidden0'],
      budgetBytes: 10 * 2 * 512 * 4,
      onProgress: (rows: number) => done.push(rows),
    };
    const rows = await observe(graph, options, (value, data, shape) => {
      assert.equal(data.length, shape[0]! * 512);
      if (value === 'hidden0') shapes.push(shape[0]!);
    });
    assert.deepEqual([rows, shapes.reduce((sum, count) => sum + count)], [50, 50]);
    assert.ok(shapes.every((count) => count <= 10) && shapes.includes(9), `${shapes}`);
    assert.equal(done.at(-1), 50);
    assert.equal(graph.outputs.length, 1);
  });

  it('goes on row by row where a model takes one row only, whatever its signature says', async () => {
    const model = build({
      nodes: [makeNode('Reshape', ['x', 'one'], ['y'])],
      initializers: [makeTensor('one', 'int64', [2], BigInt64Array.of(1n, 4n))],
      row: [4],
      answer: [4],
    });
    const options = { runner: testRunner, data: normalDataset('x', 7, [4]), values: ['y'] };
    let seen = 0;
    await observe(graphFromBytes(model), options, (_, data) => {
      seen += data.length;
    });
    assert.equal(seen, 7 * 4);
  });

  it('finds exact ranges by min-max, and narrower ones by the others where there are outliers', async () => {
    const values = normalValues(4000 * 4);
    values[77] = 300;
    const feeds: Feeds = { x: { datatype: 'float32', shape: [4000, 4], data: values } };
    const model = build({ nodes: [makeNode('Neg', ['x'], ['y'])], initializers: [], row: [4], answer: [4] });
    const options = { runner: testRunner, data: datasetOf(feeds), values: ['x', 'y'] };
    const ranges = new Map<string, number>();
    for (const method of calibrationMethods) {
      const found = await calibrate(graphFromBytes(model), options, { method, percentile: 99.9 });
      const [x, y] = [found.get('x')!, found.get('y')!];
      assert.ok(
        Math.abs(x.max + y.min) < 0.1 * x.max && Math.abs(x.min + y.max) < 0.1 * y.max,
        `${method} ${x.max} ${y.min}`,
      );
      ranges.set(method, x.max);
    }
    assert.equal(ranges.get('min-max'), 300);
    for (const method of ['percentile', 'entropy', 'moving-average', 'mse'])
      assert.ok(ranges.get(method)! < 300, method);
    assert.ok(ranges.get('percentile')! < 6);
  });
});

describe('mixed precision', () => {
  /** The middle layer has one channel a thousand times the others, which uint8 cannot hold beside them. */
  function uneven(): Uint8Array {
    const first = weights('w1', [32, 32], 32);
    const second = weights('w2', [32, 32], 32, 9);
    const [a, b] = [new Float32Array(first.raw.buffer), new Float32Array(second.raw.buffer)];
    for (let i = 0; i < 32; i++) {
      a[i * 32]! *= 300;
      b[i]! /= 300;
    }
    return build({
      row: [32],
      answer: [8],
      nodes: [
        makeNode('Gemm', ['x', 'w1'], ['g1'], {}, { name: 'first' }),
        makeNode('Relu', ['g1'], ['r1']),
        makeNode('Gemm', ['r1', 'w2'], ['g2'], {}, { name: 'sensitive' }),
        makeNode('Relu', ['g2'], ['r2']),
        makeNode('Gemm', ['r2', 'w3'], ['y'], {}, { name: 'last' }),
      ],
      initializers: [first, second, weights('w3', [32, 8], 32)],
    });
  }
  const [data, validation] = [normalDataset('x', 64, [32], 3), normalDataset('x', 64, [32], 4)];

  it('leaves the sensitive layer float, and only that', async () => {
    const graph = graphFromBytes(uneven());
    const shares: number[] = [];
    const context = passContext(data, { onProgress: (share) => shares.push(share) });
    const report = await mixedPrecision(graph, { targetDb: 28, validation, validationRows: 64 }, context);
    assert.equal(report.sensitivity[0]!.node, 'sensitive');
    assert.deepEqual(report.skipped, [{ node: 'sensitive', opType: 'Gemm', what: 'excluded by the settings' }]);
    assert.ok(report.allLayersDb < 28 && report.sqnrDb >= 28, `${report.allLayersDb} ${report.sqnrDb}`);
    assert.ok(Math.abs((await sqnr(uneven(), graph.check().toBytes(), validation)) - report.sqnrDb) < 0.01);
    assert.deepEqual(
      shares,
      shares.toSorted((a, b) => a - b),
    );
    assert.equal(shares.at(-1), 1);
  });

  it('quantizes everything where that is good enough, and refuses a target out of reach', async () => {
    const easy = await mixedPrecision(
      graphFromBytes(buildMlp512()),
      { targetDb: 30 },
      passContext(normalDataset('features', 32, [512])),
    );
    assert.deepEqual([easy.skipped, easy.sensitivity, easy.changed.length], [[], [], 4]);
    const impossible = mixedPrecision(graphFromBytes(uneven()), { targetDb: 90 }, passContext(data));
    await assert.rejects(impossible, /90 dB even with all layers but one/);
  });

  it('is not needed after SmoothQuant, which changes no answer of the float model', async () => {
    const model = uneven();
    const graph = graphFromBytes(model);
    const report = await smoothQuant(graph, {}, passContext(data));
    assert.deepEqual(report.changed.map(({ node }) => node).sort(), ['last', 'sensitive']);
    const smooth = graph.check().toBytes();
    assert.ok((await sqnr(model, smooth, validation)) > 110);
    const [plain, smoothed] = [await quantize(model, data), await quantize(smooth, data)];
    const [before, after] = [await sqnr(model, plain.bytes, validation), await sqnr(model, smoothed.bytes, validation)];
    assert.ok(after > 30 && after > before + 6, `${before} dB before, ${after} dB after`);
  });
});

describe('SmoothQuant', () => {
  it('scales through norms, constant products and convolutions, but never past another user', async () => {
    const bytes = build({
      row: [4, 16],
      answer: [4, 8],
      opset: 17,
      nodes: [
        makeNode('LayerNormalization', ['x', 'gamma', 'beta'], ['n']),
        makeNode('MatMul', ['n', 'w1'], ['m1'], {}, { name: 'behindNorm' }),
        makeNode('Tanh', ['m1'], ['t']),
        makeNode('Mul', ['t', 'gamma'], ['scaled']),
        makeNode('Add', ['scaled', 'beta'], ['shifted']),
        makeNode('MatMul', ['shifted', 'w2'], ['m2'], {}, { name: 'behindProduct' }),
        makeNode('Add', ['m2', 'm1'], ['twice']),
        makeNode('MatMul', ['twice', 'w3'], ['y'], {}, { name: 'behindSum' }),
      ],
      initializers: [
        weights('gamma', [16], 1),
        weights('beta', [16], 1),
        weights('w1', [16, 16], 16),
        weights('w2', [16, 16], 16, 7),
        weights('w3', [16, 8], 16),
      ],
    });
    const graph = graphFromBytes(bytes);
    const data = normalDataset('x', 32, [4, 16]);
    const { changed } = await smoothQuant(graph, { alpha: 0.7 }, passContext(data));
    assert.deepEqual(
      changed.map(({ node }) => node),
      ['behindNorm', 'behindProduct'],
    );
    assert.ok((await sqnr(bytes, graph.check().toBytes(), data)) > 110);
  });
});
