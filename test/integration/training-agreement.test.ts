/** Every kind of model, exported, answers as its trainer does: on 20,000 rows nobody has seen, with missing values and unknown categories. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as ort from 'onnxruntime-node';
import { seededRandom } from '../../src/core/seeded-random.ts';
import type { Datatype } from '../../src/core/tensor.ts';
import { trainWith } from '../../src/server-train.ts';
import type { Target } from '../../src/training/matrix.ts';
import type { Network } from '../../src/training/network/network.ts';
import { classesOf, type LabelStyle } from '../../src/training/pipeline/classes.ts';
import { exportPipeline, type OutputNames, type Pipeline } from '../../src/training/pipeline/export-pipeline.ts';
import { networkModel } from '../../src/training/pipeline/network-model.ts';
import { applyPrepare, fitPrepare, type PrepareOptions } from '../../src/training/pipeline/prepare.ts';
import type { ModelKind } from '../../src/training/pipeline/trained-model.ts';
import { type RunModel, randomColumns, verifyPipeline } from '../../src/training/pipeline/verify.ts';
import type { FeatureColumn } from '../../src/training/table/columns.ts';
import { kindsFor, type ModelOptions, type Trainers, trainAny, wantsScaling } from '../../src/training/train-model.ts';
import { testRunner } from './support/optimizer-runner.ts';

const rows = 500;
const points = 20_000;
const allRows = Int32Array.from({ length: rows }, (_, row) => row);

async function withRunner(bytes: Uint8Array, use: (run: RunModel) => Promise<void>, threads = 1): Promise<void> {
  const session = await ort.InferenceSession.create(bytes, { intraOpNumThreads: threads, logSeverityLevel: 3 });
  try {
    await use(async (inputs) => {
      const feeds = inputs.map(({ name, datatype, data, shape }) => {
        return [name, new ort.Tensor(datatype as 'float32', data as Float32Array, [...shape])] as const;
      });
      const results = await session.run(Object.fromEntries(feeds));
      return Object.entries(results).map(([name, { type, dims, data }]) => {
        return { name, datatype: type as Datatype, shape: dims, data: data as Float32Array<ArrayBuffer> };
      });
    });
  } finally {
    await session.release();
  }
}

/** Coarse numbers, so that rows repeat and distances tie; with `mixed`, codes, text and holes besides. */
function makeColumns(mixed: boolean): FeatureColumn[] {
  const random = seededRandom(5);
  const numbers = (draw: () => number) => Float32Array.from({ length: rows }, draw);
  const hole = (value: number) => (mixed && random() < 0.1 ? Number.NaN : value);
  const amounts: FeatureColumn[] = [
    { kind: 'number', name: 'a', coded: false, values: numbers(() => hole(Math.round(random() * 40) / 4)) },
    { kind: 'number', name: 'b', coded: false, values: numbers(() => random() * 3 - 1) },
  ];
  if (!mixed) return amounts;
  const colours = ['red', 'green', 'blue', 'größer, "sehr"', ''];
  return [
    ...amounts,
    // Named as a value within the graph would be.
    { kind: 'number', name: '/Concat_0', coded: true, values: numbers(() => hole(Math.floor(random() * 4))) },
    // Named as an output is: the output has to give way.
    { kind: 'text', name: 'label', values: Array.from({ length: rows }, () => colours[Math.floor(random() * 5)]!) },
  ];
}

function makeTarget(columns: readonly FeatureColumn[], classCount: number | undefined): Target {
  const [a, b] = columns.map((column) => column.values as Float32Array);
  const scores = Float64Array.from(allRows, (row) => (a![row]! || 3) / 4 + b![row]!);
  if (classCount === undefined) return { task: 'regression', values: scores.map((score) => 5000 + 100 * score) };
  const labels = Int32Array.from(scores, (score) =>
    Math.min(classCount - 1, Math.max(0, Math.floor(score * classCount) >> 2)),
  );
  return { task: 'classification', labels, classCount };
}

interface Case {
  readonly kind: ModelKind;
  readonly mixed?: boolean;
  readonly target?: Target | undefined;
  readonly classNames?: readonly string[];
  readonly labelStyle?: LabelStyle;
  readonly options?: ModelOptions;
  readonly prepare?: PrepareOptions;
}

/** Few rounds: whether a network learned much is not asked here. */
const trainers: Trainers = {
  mlp: (job) => trainWith(testRunner, { ...job, options: { hidden: [24, 16], epochs: 30, ...job.options } }),
};

async function build(
  columns: readonly FeatureColumn[],
  each: Case,
): Promise<{ pipeline: Pipeline; bytes: Uint8Array; outputs: OutputNames }> {
  const { kind, target, options = {}, prepare } = each;
  const plan = fitPrepare(columns, allRows, { scale: wantsScaling(kind) ? 'standard' : 'none', ...prepare });
  const job = { matrix: applyPrepare(plan, columns, rows), target, options, random: seededRandom(1) };
  const model = await trainAny(kind, job, trainers);
  const count = target?.task === 'classification' ? target.classCount : undefined;
  const names = each.classNames ?? Array.from({ length: count ?? 0 }, (_, label) => `class ${label}`);
  const classes = count === undefined ? undefined : classesOf(names);
  const pipeline = { plan, model, classes, labelStyle: each.labelStyle ?? 'index' };
  return { pipeline, ...exportPipeline(pipeline) };
}

async function assertAgrees(each: Case, threads = 1): Promise<void> {
  const columns = makeColumns(each.mixed === true);
  const { pipeline, bytes, outputs } = await build(columns, each);
  await withRunner(
    bytes,
    async (run) => {
      const unseen = randomColumns(pipeline.plan, columns, points, seededRandom(9));
      for (const [rowsOf, count] of [
        [columns, rows],
        [unseen, points],
      ] as const) {
        const agreement = await verifyPipeline(pipeline, outputs, rowsOf, count, run);
        assert.deepEqual(
          [agreement.rows, agreement.differentLabels, agreement.agrees],
          [count, 0, true],
          JSON.stringify(agreement),
        );
      }
    },
    threads,
  );
}

describe('an exported model answers as its trainer', () => {
  for (const mixed of [false, true]) {
    const columns = makeColumns(mixed);
    const what = mixed ? 'amounts, codes and text with holes' : 'amounts';
    for (const kind of kindsFor('classification')) {
      it(`${kind}: two classes from ${what}, labels as text`, () =>
        assertAgrees({ kind, mixed, target: makeTarget(columns, 2), classNames: ['nein', 'ja'], labelStyle: 'value' }));
      it(`${kind}: five classes from ${what}, labels as whole numbers`, () =>
        assertAgrees({
          kind,
          mixed,
          target: makeTarget(columns, 5),
          classNames: ['3', '5', '8', '-1', '13'],
          labelStyle: 'value',
        }));
    }
    for (const kind of kindsFor('regression')) {
      it(`${kind}: an amount from ${what}`, () =>
        assertAgrees({ kind, mixed, target: makeTarget(columns, undefined) }));
    }
    it(`kmeans: clusters of ${what}`, () => assertAgrees({ kind: 'kmeans', mixed, options: { clusters: 4 } }));
  }

  it('whatever is filled in, whatever the scale, with more threads', async () => {
    const target = makeTarget(makeColumns(true), 3);
    for (const [kind, scale, impute] of [
      ['logistic', 'minmax', 'mean'],
      ['logistic', 'standard', 'most-frequent'],
      ['boost', 'standard', 'most-frequent'],
      ['knn', 'minmax', 'mean'],
      ['mlp', 'minmax', 'most-frequent'],
      ['mlp', 'none', 'mean'],
    ] as const) {
      await assertAgrees({ kind, mixed: true, target, prepare: { impute, scale } }, 2);
    }
  });

  it('where classes and neighbours tie', async () => {
    // Four corners of a square, each class once per corner: all votes are equal.
    const columns = makeColumns(false).map((column, index) => ({
      ...column,
      values: Float32Array.from(allRows, (row) => (row >> index) & 1),
    })) as FeatureColumn[];
    const target: Target = { task: 'classification', labels: allRows.map((row) => (row >> 2) & 1), classCount: 2 };
    for (const kind of kindsFor('classification')) {
      const { pipeline, bytes, outputs } = await build(columns, { kind, target, options: { k: 4 } });
      await withRunner(bytes, async (run) => {
        const { agrees } = await verifyPipeline(pipeline, outputs, columns, rows, run);
        assert.ok(agrees, kind);
      });
    }
  });

  it('on infinities and NaN where nothing is filled in, for trees', async () => {
    const columns = makeColumns(false);
    const target = makeTarget(columns, 3);
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e-45, 3.4e38];
    const asked = columns.map((column, index) => ({
      ...column,
      values: Float32Array.from({ length: 49 }, (_, row) => special[index === 0 ? row % 7 : Math.floor(row / 7)]!),
    })) as FeatureColumn[];
    for (const kind of ['boost', 'forest', 'extra-trees'] as const) {
      const { pipeline, bytes, outputs } = await build(columns, { kind, target });
      await withRunner(bytes, async (run) => {
        const { agrees } = await verifyPipeline(pipeline, outputs, asked, 49, run);
        assert.ok(agrees, kind);
      });
    }
  });

  it('but for rows where two classes are equal to rounding, which are counted', async () => {
    // The second layer weighs the same sum for both classes, in another order of its terms: only rounding tells them apart.
    const columns = makeColumns(false);
    const random = seededRandom(4);
    const wide = Float32Array.from({ length: 2 * 64 }, () => random() - 0.5);
    const terms = Float32Array.from({ length: 64 }, () => random() - 0.5);
    const first = { inputs: 2, outputs: 64, weights: wide, bias: new Float32Array(64) };
    const weights = Float32Array.from({ length: 128 }, (_, i) => terms[i >> 1]! * (i % 2 === 0 ? 1 : 1 + 2 ** -23));
    const second = { inputs: 64, outputs: 2, weights, bias: new Float32Array(2) };
    const network: Network = { task: 'classification', activation: 'tanh', layers: [first, second] };
    const { pipeline } = await build(columns, { kind: 'logistic', target: makeTarget(columns, 2) });
    const tied = { ...pipeline, model: networkModel(network, []) };
    const { bytes, outputs } = exportPipeline(tied);
    await withRunner(bytes, async (run) => {
      const unseen = randomColumns(tied.plan, columns, points, seededRandom(9));
      const agreement = await verifyPipeline(tied, outputs, unseen, points, run);
      assert.ok(agreement.ties > 0 && agreement.agrees, JSON.stringify(agreement));
      // The answers of one row for another are no rounding.
      const turned: RunModel = async (inputs) =>
        (await run(inputs)).map((tensor) => ({
          ...tensor,
          data: (tensor.data as Float32Array<ArrayBuffer>).toReversed(),
        }));
      const { agrees, ties, differentLabels } = await verifyPipeline(pipeline, outputs, unseen, 500, turned);
      assert.deepEqual([agrees, ties, differentLabels > 0], [false, 0, true]);
    });
  });

  it('and a network with one weight changed by a thousandth does not', async () => {
    const columns = makeColumns(true);
    for (const classCount of [3, undefined]) {
      const { pipeline, outputs } = await build(columns, {
        kind: 'mlp',
        mixed: true,
        target: makeTarget(columns, classCount),
      });
      const addTo: typeof pipeline.model.addTo = (graph, features) => {
        const values = pipeline.model.addTo(graph, features);
        const { raw } = graph.initializers.findLast(({ dims }) => dims.length === 2)!;
        const largest = new Float32Array(raw.buffer, raw.byteOffset, raw.length / 4);
        largest[0]! += 0.001 * Math.max(...largest);
        return values;
      };
      const { bytes } = exportPipeline({ ...pipeline, model: { ...pipeline.model, addTo } });
      await withRunner(bytes, async (run) => {
        const agreement = await verifyPipeline(pipeline, outputs, columns, rows, run);
        assert.equal(agreement.agrees, false, JSON.stringify(agreement));
      });
    }
  });

  it('would be caught if it did not', async () => {
    const columns = makeColumns(false);
    const { bytes, outputs } = await build(columns, { kind: 'forest', target: makeTarget(columns, 2) });
    const other = await build(columns, { kind: 'logistic', target: makeTarget(columns, 2) });
    await withRunner(bytes, async (run) => {
      const agreement = await verifyPipeline(other.pipeline, outputs, columns, rows, run);
      assert.ok(!agreement.agrees && agreement.largestDifference > 0.01);
    });
  });
});
