/**
 * `hotpath train data.csv --target column`: learns from a table, judges on rows held out, and writes an ONNX model that answers as the trainer
 * does. Says nothing is done before the exported file was run. Writes by rename; a failed training writes nothing.
 */
import { access, mkdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { didYouMean } from '../config/suggest.ts';
import { HotpathError } from '../core/errors.ts';
import type { ModelConfig } from '../ports/model-source.ts';
import { trainNetwork } from '../server-train.ts';
import { areIndices } from '../training/pipeline/classes.ts';
import { registerModel } from '../training/register-model.ts';
import { checkModelName, replaceFile } from '../training/store-model.ts';
import type { TextTable } from '../training/table/read-table.ts';
import { readTable } from '../training/table/read-table.ts';
import type { Trainers } from '../training/train-model.ts';
import type { TrainedTable } from '../training/train-table.ts';
import { trainTable } from '../training/train-table.ts';
import { type CommandContext, type ExitCode, UsageError } from './command.ts';
import { ProgressLine, renderProgress } from './progress-line.ts';
import type { Terminal } from './terminal.ts';
import { renderTrainPage } from './train-page.ts';
import { printReport } from './train-print.ts';
import { proveModel } from './train-proof.ts';
import type { TrainArguments } from './train-request.ts';
import { parseTrainArguments } from './train-request.ts';
import { untilInterrupted } from './until-interrupted.ts';

export const help = `Usage: hotpath train <data.csv> --target <column> [flags]

Learns to predict a column of a table and writes model.onnx and model.json. Separators (comma, semicolon, tab) and the kinds of the
columns are found out; row numbers, dates and free text are left out, with a sentence.

  --target <column>       What to predict. Text and few whole numbers are classes, other numbers amounts
  --task <task>           classification, regression or clustering (which has no target) [by the target]
  --model <model>         boost, forest, extra-trees, logistic, linear, ridge, knn, mlp (a neural network), kmeans [boost]
  --features <a,b,c>      Columns to learn from [all]
  --exclude <a,b>         Columns to leave out
  --categorical <a,b>     Columns whose numbers are codes, not amounts
  --test <part>           Part of the rows that only judges [0.2]
  --metric <name>         accuracy, logLoss, macroF1, auc, rmse, mae or r2: what trials go by [logLoss, rmse]
  --trials <n>            Random search over the model's options [1: none]
  --seed <n>              The same seed and table give the same file [1]
  --impute <how>          Missing numbers become the median, mean or most-frequent one [median]
  --scale <how>           none, standard or minmax [standard for models of weights and distances]
  --labels <what>         Whether the label is the index of its class or its value [index for text, value for numbers]
  --rounds, --trees, --learning-rate, --max-depth, --min-leaf-rows, --l2, --k, --clusters <number>   Options of the models
  --hidden <64,64>, --activation <relu, tanh or sigmoid>, --epochs, --batch-size, --weight-decay, --patience <number>   Of mlp (patience: and boost)

  --name <name>           Name of the model [that of the file]
  --register              Store it as the next version in the model folder, where a server finds it
  --models <folder>       The model folder [models] (also HOTPATH_MODELS)
  --out <model.onnx>      Where to write it otherwise; model.json goes beside it [model.onnx]
  --force                 Replace files that are there
  --report <page.html>    Also write the report as a page
  --json                  Print the report as JSON`;

export async function run(args: readonly string[], { terminal, env }: CommandContext): Promise<ExitCode> {
  const request = parseTrainArguments(args, env);
  try {
    await checkPlaces(request);
    const table = await openTable(request.data);
    checkColumns(table, request);
    const trained = await train(table, request, terminal);
    // Not to leave its temporary file behind.
    const agreement = await untilInterrupted(() => proveModel(trained));
    const report = { ...trained.report, agreement };
    if (!agreement.agrees) {
      throw new HotpathError(
        'INTERNAL',
        `The exported file does not answer as the trainer (${agreement.differentLabels} labels of ${agreement.rows} differ, the largest difference is ${agreement.largestDifference.toExponential(1)}): nothing was written.`,
      );
    }
    const stored = await store(trained, request);
    if (request.report !== undefined) {
      await replaceFile(dirname(request.report), basename(request.report), renderTrainPage(report, request.name));
    }
    if (request.json) terminal.out(JSON.stringify({ ...report, stored: stored.fields }, undefined, 2));
    else terminal.out(`${printReport(report, terminal.style)}\n\n${stored.sentence}`);
    return 0;
  } catch (error) {
    const message = explain(error);
    if (message === undefined) throw error;
    terminal.err(`hotpath: ${message}`);
    return 1;
  }
}

async function train(table: TextTable, { request }: TrainArguments, { errStream }: Terminal): Promise<TrainedTable> {
  const nowMs = () => performance.now();
  const line = errStream?.isTTY === true ? new ProgressLine(errStream, nowMs) : undefined;
  let shownMs = 0;
  const onProgress = (what: string, done: number, total: number) => {
    // Most training does not yield to the loop; drawing 20 times a second costs nothing beside it.
    if (line === undefined || nowMs() - shownMs < 50) return;
    shownMs = nowMs();
    line.show(`${what} ${renderProgress({ done, total, perSecond: 0, remainingMs: undefined })}`);
  };
  try {
    return await trainTable(table, request, { nowMs, onProgress, trainers });
  } finally {
    line?.clear();
  }
}

/** While others train, nothing could be told of a signal: it ends the process, as it does by itself. */
const trainers: Trainers = { mlp: (job) => untilInterrupted((signal) => trainNetwork(job, signal)) };

/** Before the work: what cannot be written is known at once. */
async function checkPlaces({ register, name, out, force }: TrainArguments): Promise<void> {
  if (register) {
    checkModelName(name);
    return;
  }
  if (force) return;
  for (const path of placesOf(out)) {
    if (await exists(path)) {
      throw new UsageError(`${basename(path)} is there already: give --force to replace it, --out, or --register.`);
    }
  }
}

function placesOf(out = 'model.onnx'): [string, string] {
  return [out, join(dirname(out), 'model.json')];
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}

async function openTable(path: string): Promise<TextTable> {
  try {
    return await readTable(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new UsageError(`There is no file ${path}.`);
    if (code === 'EISDIR') throw new UsageError(`${path} is a folder, not a CSV file.`);
    if (code === 'EACCES') throw new UsageError(`${path} may not be read.`);
    throw error;
  }
}

function checkColumns({ header }: TextTable, { request }: TrainArguments): void {
  const { target, features = [], exclude = [], categorical = [] } = request;
  for (const name of [...(target === undefined ? [] : [target]), ...features, ...exclude, ...categorical]) {
    if (header.includes(name)) continue;
    const nearest = didYouMean(name, header, (known) => `"${known}"`);
    throw new UsageError(
      `The table has no column "${name}".${nearest || ` It has: ${header.slice(0, 20).join(', ')}.`}`,
    );
  }
  if (target !== undefined && features.includes(target)) {
    throw new UsageError(`Column "${target}" is the target; it cannot be learned from.`);
  }
}

/** What the server has to know of the model. */
function configOf({ pipeline }: TrainedTable): ModelConfig {
  const { classes, labelStyle, plan } = pipeline;
  const named = classes !== undefined && (labelStyle === 'index' || areIndices(classes));
  return {
    deterministic: true,
    ...(named ? { classNames: classes.names } : {}),
    // Missing values are an answerable question only for a model that fills them in.
    ...(plan.imputed ? { nan: 'allow' as const } : {}),
  };
}

interface Stored {
  readonly sentence: string;
  readonly fields: { readonly name?: string; readonly version?: string; readonly files?: readonly string[] };
}

async function store(trained: TrainedTable, { register, name, models, out }: TrainArguments): Promise<Stored> {
  const config = configOf(trained);
  if (register) {
    const version = await registerModel(models, name, trained.bytes, config);
    return { sentence: `Stored as model ${name}, version ${version}.`, fields: { name, version } };
  }
  const [modelPath, configPath] = placesOf(out);
  await mkdir(dirname(modelPath), { recursive: true });
  await replaceFile(dirname(configPath), basename(configPath), `${JSON.stringify(config, null, 2)}\n`);
  await replaceFile(dirname(modelPath), basename(modelPath), trained.bytes);
  return { sentence: `Wrote ${modelPath} and ${configPath}.`, fields: { files: [modelPath, configPath] } };
}

/** Undefined for a bug, which keeps its stack. */
function explain(error: unknown): string | undefined {
  if (error instanceof HotpathError) return error.message;
  const { code, syscall } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && typeof syscall === 'string' ? `Could not read or write (${code}).` : undefined;
}
