/**
 * From a table to a trained, exported and judged model: columns, split, preparation, search, training, test. Called by the `train` command,
 * which then verifies and writes. Pure but for the time it takes and the trainers it is given; the same table and seed give the same bytes.
 */
import { HotpathError, invalidInput } from '../core/errors.ts';
import { seededRandom } from '../core/seeded-random.ts';
import type { Random } from '../ports/clock.ts';
import { findLeaks, importances } from './evaluate/importance.ts';
import type { MetricName } from './evaluate/metrics.ts';
import { baselinePrediction, confusionOf, measure, metricsFor } from './evaluate/metrics.ts';
import { searchOptions } from './evaluate/search.ts';
import type { RowSplit } from './evaluate/split.ts';
import { splitRows } from './evaluate/split.ts';
import type { ClassTarget, Matrix, Target } from './matrix.ts';
import { takeMatrixRows, takeTargetRows } from './matrix.ts';
import type { LabelStyle } from './pipeline/classes.ts';
import type { OutputNames, Pipeline } from './pipeline/export-pipeline.ts';
import { exportPipeline } from './pipeline/export-pipeline.ts';
import type { PrepareOptions } from './pipeline/prepare.ts';
import { applyPrepare, fitPrepare, matrixColumns } from './pipeline/prepare.ts';
import type { ModelKind, Task, TrainedModel } from './pipeline/trained-model.ts';
import type { FeatureColumn } from './table/columns.ts';
import { readColumn } from './table/columns.ts';
import type { TextTable } from './table/read-table.ts';
import type { ReadTarget } from './table/target.ts';
import { readTarget } from './table/target.ts';
import type { ModelOptions, Trainers } from './train-model.ts';
import { kindsFor, trainAny, wantsScaling } from './train-model.ts';
import type { Evaluation, TrainReport } from './train-report.ts';

export interface TrainRequest {
  /** Undefined for a clustering. */
  readonly target: string | undefined;
  /** @default all columns but the target */
  readonly features?: readonly string[] | undefined;
  readonly exclude?: readonly string[] | undefined;
  /** Columns whose numbers are codes of categories. */
  readonly categorical?: readonly string[] | undefined;
  /** @default chosen by the target */
  readonly task?: Task | undefined;
  /** @default 'boost'; 'kmeans' for a clustering */
  readonly model?: ModelKind | undefined;
  /** @default 0.2 */
  readonly testFraction?: number | undefined;
  /** @default 'logLoss' or 'rmse' */
  readonly metric?: MetricName | undefined;
  /** @default 1 */
  readonly seed?: number | undefined;
  /** @default 1: no search */
  readonly trials?: number | undefined;
  /** @default 'index' for text, 'value' for whole numbers */
  readonly labels?: LabelStyle | undefined;
  readonly prepare?: PrepareOptions | undefined;
  readonly options?: ModelOptions | undefined;
}

export interface TrainHooks {
  /** Of the kinds that need a runtime. @default none */
  readonly trainers?: Trainers;
  readonly nowMs: () => number;
  /** What is being done, and how far. */
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

export interface TrainedTable {
  readonly pipeline: Pipeline;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly outputs: OutputNames;
  readonly columns: readonly FeatureColumn[];
  readonly report: TrainReport;
}

const fewestRows = 10;

/** @throws INVALID_INPUT with a sentence about the table, the columns or the options; what the trainers of `hooks` throw */
export async function trainTable(table: TextTable, request: TrainRequest, hooks: TrainHooks): Promise<TrainedTable> {
  const random = seededRandom(request.seed ?? 1);
  const read = readRequestedTarget(table, request);
  const kind = chooseModel(request, read);
  // Before the work, so that a wrong name costs nothing.
  if (read !== undefined) chooseMetric(request, read.target);
  const { columns, leftOut, notes } = readFeatures(table, request);
  const split = chooseRows(table, read, request, random);
  const scale = request.prepare?.scale ?? (wantsScaling(kind) ? 'standard' : 'none');
  const plan = fitPrepare(columns, split.train, { ...request.prepare, scale });
  const matrix = applyPrepare(plan, columns, table.rows);
  const train = takeMatrixRows(matrix, split.train);
  const target = read === undefined ? undefined : takeTargetRows(read.target, split.train);
  const options = await chooseOptions(kind, train, target, request, hooks, random);
  const startMs = hooks.nowMs();
  const onProgress = (done: number, total: number) => hooks.onProgress?.('training', done, total);
  const job = { matrix: train, target, options, random, onProgress };
  const model = await trainAny(kind, job, hooks.trainers ?? {});
  const trainMs = hooks.nowMs() - startMs;
  const labelStyle = request.labels ?? (read?.classes?.numbers === undefined ? 'index' : 'value');
  const pipeline: Pipeline = { plan, model, classes: read?.classes, labelStyle };
  const { bytes, outputs } = exportPipeline(pipeline);
  const report: TrainReport = {
    task: model.task,
    model: kind,
    target: request.target,
    seed: request.seed ?? 1,
    rows: { table: table.rows, train: split.train.length, test: split.test.length },
    columns: columns.map(describeColumn),
    inputs: plan.inputs,
    leftOut,
    notes: [...(read?.notes ?? []), ...notes, ...model.notes],
    options,
    trainMs,
    sizeBytes: bytes.length,
    evaluation: read === undefined ? undefined : evaluate(pipeline, matrix, read, split, request, random),
    clusterRows: read === undefined ? countClusters(model, train) : undefined,
    agreement: undefined,
  };
  return { pipeline, bytes, outputs, columns, report };
}

function describeColumn(column: FeatureColumn): TrainReport['columns'][number] {
  const isCategory = column.kind === 'text' || column.coded;
  return { name: column.name, kind: isCategory ? 'category' : 'number' };
}

/** A clustering has nothing to be judged by, so no row is held out. */
function chooseRows(table: TextTable, read: ReadTarget | undefined, request: TrainRequest, random: Random): RowSplit {
  const rows = read?.rows ?? Int32Array.from({ length: table.rows }, (_, row) => row);
  if (rows.length < fewestRows) {
    throw new HotpathError(
      'INVALID_INPUT',
      `The table has ${rows.length} rows to learn from; ${fewestRows} are the least.`,
    );
  }
  if (read === undefined) return { train: rows, test: rows.subarray(0, 0) };
  return splitFor(rows, read.target, request, random);
}

function readRequestedTarget(table: TextTable, { target, task }: TrainRequest): ReadTarget | undefined {
  if (task === 'clustering') {
    if (target !== undefined) throw invalidInput('target', 'A clustering has no target.');
    return undefined;
  }
  if (target === undefined) throw invalidInput('target', 'Name the column to predict, or ask for a clustering.');
  return readTarget(table, columnIndex(table, target), task);
}

function columnIndex(table: TextTable, name: string): number {
  const index = table.header.indexOf(name);
  if (index < 0) throw invalidInput('column', `The table has no column ${name}.`);
  return index;
}

function chooseModel({ model, options }: TrainRequest, read: ReadTarget | undefined): ModelKind {
  const task = read?.target.task ?? 'clustering';
  const kind = model ?? (task === 'clustering' ? 'kmeans' : 'boost');
  if (!kindsFor(task).includes(kind)) {
    throw invalidInput('model', `Model ${kind} is not for ${task}; choose one of ${kindsFor(task).join(', ')}.`);
  }
  if (options?.clusters !== undefined && kind !== 'kmeans') {
    throw invalidInput('clusters', 'Only a clustering has a number of clusters.');
  }
  return kind;
}

function readFeatures(table: TextTable, request: TrainRequest) {
  const { target, features, exclude = [], categorical = [] } = request;
  for (const name of [...(features ?? []), ...exclude, ...categorical]) columnIndex(table, name);
  const wanted = new Set(features);
  const columns: FeatureColumn[] = [];
  const leftOut: { name: string; reason: string }[] = [];
  const notes: string[] = [];
  for (const [index, name] of table.header.entries()) {
    if (name === target || exclude.includes(name) || (features !== undefined && !wanted.has(name))) continue;
    const { column, note } = readColumn(table, index, { categorical: new Set(categorical), wanted });
    if (column.kind === 'left-out') leftOut.push({ name, reason: column.reason });
    else columns.push(column);
    if (note !== undefined && column.kind !== 'left-out') notes.push(note);
  }
  if (columns.length > 0) return { columns, leftOut, notes };
  const why = leftOut.map(({ name, reason }) => `${name}: ${reason}`).join('; ');
  throw new HotpathError('INVALID_INPUT', `No column is left to learn from${why === '' ? '' : ` (${why})`}.`);
}

function splitFor(rows: Int32Array, target: Target, { testFraction = 0.2 }: TrainRequest, random: Random): RowSplit {
  if (!(testFraction >= 0.01 && testFraction <= 0.9)) {
    throw invalidInput('test', 'The part of the rows to test on must be from 0.01 to 0.9.');
  }
  const split = splitRows(rows, target, testFraction, random);
  if (split.test.length > 0) return split;
  throw invalidInput('test', 'No row is left to test on: give more rows or a larger part.');
}

async function chooseOptions(
  kind: ModelKind,
  matrix: Matrix,
  target: Target | undefined,
  request: TrainRequest,
  hooks: TrainHooks,
  random: Random,
): Promise<ModelOptions> {
  const { options = {}, trials = 1 } = request;
  if (target === undefined || trials <= 1) return options;
  const onTrial = (done: number, total: number) => hooks.onProgress?.('trials', done, total);
  const metric = chooseMetric(request, target);
  const search = { trials, metric, fixed: options, trainers: hooks.trainers ?? {}, onTrial };
  return (await searchOptions(kind, matrix, target, search, random)).options;
}

function chooseMetric({ metric }: TrainRequest, target: Target): MetricName {
  const known = metricsFor(target);
  if (metric === undefined) return target.task === 'classification' ? 'logLoss' : 'rmse';
  if (known.includes(metric)) return metric;
  throw invalidInput('metric', `Metric ${metric} is not for this target; choose one of ${known.join(', ')}.`);
}

function evaluate(
  { model, plan, classes }: Pipeline,
  matrix: Matrix,
  { target }: ReadTarget,
  split: RowSplit,
  request: TrainRequest,
  random: Random,
): Evaluation {
  const [train, test] = [takeMatrixRows(matrix, split.train), takeMatrixRows(matrix, split.test)];
  const [trainTarget, testTarget] = [takeTargetRows(target, split.train), takeTargetRows(target, split.test)];
  const metric = chooseMetric(request, target);
  const prediction = model.predict(test);
  const columns = matrixColumns(plan);
  return {
    metric,
    metrics: measure(prediction, testTarget),
    baseline: measure(baselinePrediction(trainTarget, test.rows), testTarget),
    classNames: classes?.names,
    confusion: prediction.task === 'classification' ? confusionOf(prediction, testTarget as ClassTarget) : undefined,
    importance: importances(model, columns, test, testTarget, metric, random),
    leaks: findLeaks(columns, train, trainTarget, test, testTarget, random),
  };
}

function countClusters(model: TrainedModel, matrix: Matrix): number[] | undefined {
  const prediction = model.predict(matrix);
  if (prediction.task !== 'clustering') return undefined;
  const counts: number[] = [];
  for (const label of prediction.labels) counts[label] = (counts[label] ?? 0) + 1;
  return Array.from(counts, (count) => count ?? 0);
}
